import { type CrushMap, decodeCrushMap, itemWeightAt, ruleOp } from '../crush/index.ts';
import type { OSDMap, OsdStat } from '../types/index.ts';

/** What statistics must know of an OSD map's CRUSH map: device classes, and the weights under a rule. */
export class CrushPlacement {
  readonly #map: OSDMap;
  readonly crush: CrushMap;

  /** `previous` spares decoding a CRUSH map that did not change. */
  constructor(map: OSDMap, previous?: CrushPlacement) {
    this.#map = map;
    this.crush =
      previous !== undefined && previous.#map.crushBytes === map.crushBytes
        ? previous.crush
        : decodeCrushMap(map.crushBytes);
  }

  deviceClass(osd: number): string | undefined {
    const id = this.crush.itemClasses.get(osd);
    return id === undefined ? undefined : this.crush.classNames.get(id);
  }

  /** OSD -> its share (sum 1) of the weights under what a rule takes; empty where the rule is unknown. */
  ruleShares(rule: number): Map<number, number> {
    const weights = new Map<number, number>();
    for (const step of this.crush.rules[rule]?.steps ?? []) {
      if (step.op !== ruleOp.TAKE) continue;
      if (step.arg1 >= 0) weights.set(step.arg1, (weights.get(step.arg1) ?? 0) + 1);
      else this.#addSubtree(step.arg1, weights, 0);
    }
    let sum = 0;
    for (const w of weights.values()) sum += w;
    if (sum > 0) for (const [osd, w] of weights) weights.set(osd, w / sum);
    return weights;
  }

  #addSubtree(bucketId: number, weights: Map<number, number>, depth: number): void {
    const bucket = this.crush.bucket(bucketId);
    // The monitor refuses maps with cycles; the bound keeps a broken one from going on for ever.
    if (bucket === undefined || depth > 32) return;
    bucket.items.forEach((item, i) => {
      if (item < 0) this.#addSubtree(item, weights, depth + 1);
      else weights.set(item, (weights.get(item) ?? 0) + itemWeightAt(bucket, i) / 0x10000);
    });
  }

  /**
   * Bytes that can be written through a rule until the first OSD under it is full, all copies counted. OSDs that report no space (out ones) are passed over; 0
   * where none reports any.
   */
  ruleAvailable(rule: number, osdStats: ReadonlyMap<number, OsdStat>): number {
    let least: number | undefined;
    for (const [osd, share] of this.ruleShares(rule)) {
      const stat = osdStats.get(osd);
      if (stat === undefined || stat.statfs.total === 0 || share === 0) continue;
      const { total, available } = stat.statfs;
      const usable = Math.max(0, available - total * (1 - this.#map.fullRatio));
      const projected = Math.trunc(usable / share);
      if (least === undefined || projected < least) least = projected;
    }
    return least ?? 0;
  }
}
