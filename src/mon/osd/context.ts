import type { Clock } from '../../base/index.ts';
import type { Config } from '../../config/index.ts';
import type { OSDMap, OSDMapIncremental, OsdXinfo } from '../../types/index.ts';

/** What the commands ask of a CRUSH map. */
export interface CrushView {
  ruleId(name: string): number | undefined;
  ruleName(id: number): string | undefined;
  /** Ids of the rules that exist, ascending. */
  ruleIds(): number[];
  /** What a rule is for; undefined where there is no such rule. */
  ruleMask(id: number): { readonly type: number; readonly minSize: number; readonly maxSize: number } | undefined;
  /** Id of a bucket or device by name. */
  itemId(name: string): number | undefined;
  itemName(id: number): string | undefined;
  classId(name: string): number | undefined;
  /** Device class of an OSD. */
  classOf(osd: number): string | undefined;
  typeId(name: string): number | undefined;
  /** Type to name of every bucket above an item. */
  locationOf(item: number): Map<string, string>;
}

/** Levels of the cluster log. */
export type ClogLevel = 'debug' | 'info' | 'sec' | 'warn' | 'error';

/** What the parts of the OSD service share: the committed map, the change being prepared, and the means to say so. */
export interface OsdContext {
  /** The committed map. */
  readonly map: OSDMap;
  /** The change that the next proposal carries. */
  readonly pending: OSDMapIncremental;
  /** The committed CRUSH map. */
  readonly crush: CrushView;
  readonly config: Config;
  readonly clock: Clock;
  clog(level: ClogLevel, text: string): void;
}

/** The xinfo that the next epoch will have, to be changed: from the pending change, or the committed one. */
export function pendingXinfo(context: OsdContext, osd: number): OsdXinfo {
  return context.pending.newXinfo.get(osd) ?? context.map.osdXinfo[osd]!;
}

/** Flips state bits of an OSD in the pending change; bits that are in it already flip back, so the same request twice would undo itself: ask only once. */
export function flipState(context: OsdContext, osd: number, bits: number): void {
  const { newState } = context.pending;
  newState.set(osd, (newState.get(osd) ?? 0) ^ bits);
}
