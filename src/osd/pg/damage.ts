/** Copies of objects that are found to be wrong: they count as missing, so that recovery brings them from a copy that is right. */
import { type Eversion, eversionZero, type Hobject, pgState } from '../../types/index.ts';
import { objectKey } from '../model.ts';
import { isFree, OwnChange } from '../ops/own-change.ts';
import type { Pg } from './pg.ts';
import type { NewDigests } from './scrub-compare.ts';

/** Wanted where nobody knows which version an object had: the one that the others have. */
const ANY_VERSION: Eversion = { epoch: 0, version: 1 };

export class Damages {
  readonly #pg: Pg;

  constructor(pg: Pg) {
    this.#pg = pg;
  }

  /** An object that cannot be read here is brought back from another copy. False where there is none, or it cannot be told now which is right. */
  repairFromCopy(oid: Hobject): boolean {
    if (!this.#pg.isPrimary) return this.#pg.peering.acting.length > 1;
    const key = objectKey(oid);
    if (this.#pg.missing.has(key)) return true;
    if (this.#pg.replicas.length === 0 || (this.#pg.state !== 'Clean' && this.#pg.state !== 'Recovering')) return false;
    const version = this.#pg.path.cached(key)?.oi.version ?? this.#loggedVersion(oid, key) ?? ANY_VERSION;
    this.#pg.clusterLog(
      'error',
      `${this.#pg.key} missing primary copy of ${oid}, will try copies on ${this.#pg.replicas}`,
    );
    this.#pg.run(() => {
      this.mark(oid, key, version, [this.#pg.whoami]);
      this.#pg.peering.setState(pgState.REPAIR);
      if (this.#pg.state === 'Clean') this.#pg.repair();
      else this.#pg.recovery.want(key);
    });
    return true;
  }

  #loggedVersion(oid: Hobject, key: string): Eversion | undefined {
    for (const e of this.#pg.log.on(oid, key)) if (e.isUpdate) return e.version;
    return undefined;
  }

  /** These OSDs' copies are to be replaced. */
  mark(oid: Hobject, key: string, version: Eversion, osds: readonly number[]): void {
    for (const osd of osds) {
      if (osd !== this.#pg.whoami) {
        this.#pg.peering.peerMissing.get(osd)?.set(oid, key, version, eversionZero);
        continue;
      }
      this.#pg.missing.set(oid, key, version, eversionZero);
      this.#pg.info.lastComplete = eversionZero;
      this.#pg.info.stats.stats.numObjectsMissing = this.#pg.missing.size;
      if (this.#pg.path.cached(key)?.idle === true) this.#pg.path.forget(key);
      this.#pg.markDirty(false);
    }
  }

  /** All copies of an object agree, and its info gets the digests that they have. */
  recordDigests({ oid, data, omap }: NewDigests): void {
    const headOid = oid.head;
    const key = objectKey(headOid);
    const head = this.#pg.path.cached(key) ?? this.#pg.path.loadHead(headOid, key);
    if (typeof head === 'number') return;
    const obc = oid.isHead ? head : this.#pg.path.cloneContext(head, oid.snap);
    if (typeof obc === 'number' || !obc.exists || !isFree(obc)) return;
    const snaps = head.ssc?.snapset.clones.find((c) => c.id === oid.snap)?.snaps;
    const change = new OwnChange(this.#pg);
    change.modify(obc, oid.isHead, snaps && [...snaps].reverse(), (oi) => {
      if (data === undefined) oi.clearDataDigest();
      else oi.setDataDigest(data);
      if (omap === undefined) oi.clearOmapDigest();
      else oi.setOmapDigest(omap);
    });
    change.submit(obc, undefined, () => {});
  }
}
