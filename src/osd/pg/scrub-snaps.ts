/**
 * Whether heads and their clones fit together (PrimaryLogScrub::scrub_snapshot_metadata), and what the objects add up to for the PG's statistics. Pure. Objects come in
 * whole families: a head and all its clones are in the same range.
 */
import { DecodeError } from '../../encoding/index.ts';
import { type Hobject, type InconsistentSnapset, type ScrubObject, snapsetError } from '../../types/index.ts';
import { headKey, isClone } from '../model.ts';
import { type ObjectInfo, oiFlag, readObjectInfo } from '../ops/object-info.ts';
import { type Clone, cloneBytes, readSnapSet, type SnapSet } from '../ops/snap-set.ts';

/** Sums of objects as the PG's statistics have them. */
export interface ScrubSums {
  objects: number;
  clones: number;
  dirty: number;
  omap: number;
  whiteouts: number;
  bytes: number;
}

export function zeroSums(): ScrubSums {
  return { objects: 0, clones: 0, dirty: 0, omap: 0, whiteouts: 0, bytes: 0 };
}

export interface SnapCheck {
  readonly errors: string[];
  readonly remarks: string[];
  shallow: number;
  readonly snapsets: InconsistentSnapset[];
}

type Found = readonly [oid: Hobject, object: ScrubObject];

function problem(oid: Hobject): InconsistentSnapset {
  const object = { name: oid.oid, nspace: oid.nspace, locator: oid.key, snap: oid.snap };
  return { errors: 0, object, clones: [], missing: [], snapset: new Uint8Array(0) };
}

function decoded<T>(bytes: Uint8Array, read: (bytes: Uint8Array) => T): T | string {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
}

/** `title` begins every text: `deep-scrub 1.2a`. Objects in order; sums are added to. */
export function checkSnapsets(objects: readonly Found[], title: string, sums: ScrubSums): SnapCheck {
  const result: SnapCheck = { errors: [], remarks: [], shallow: 0, snapsets: [] };
  const families = new Map<string, Found[]>();
  for (const found of objects) {
    const key = headKey(found[0].oid, found[0].nspace, found[0].key);
    const family = families.get(key);
    if (family === undefined) families.set(key, [found]);
    else family.push(found);
  }
  for (const family of families.values()) new Family(family, title, sums, result).check();
  return result;
}

class Family {
  readonly #members: readonly Found[];
  readonly #title: string;
  readonly #sums: ScrubSums;
  readonly #result: SnapCheck;

  constructor(members: readonly Found[], title: string, sums: ScrubSums, result: SnapCheck) {
    this.#members = members;
    this.#title = title;
    this.#sums = sums;
    this.#result = result;
  }

  #wrong(oid: Hobject, of: InconsistentSnapset, error: number, text: string): void {
    this.#result.errors.push(`${this.#title} ${oid} : ${text}`);
    this.#result.shallow++;
    of.errors |= error;
  }

  check(): void {
    const result = this.#result;
    const head = this.#members.find(([oid]) => oid.isHead);
    const clones = this.#members.filter(([oid]) => isClone(oid)).reverse();
    const own = head === undefined ? undefined : problem(head[0]);
    let snapset: SnapSet | undefined;
    let info: ObjectInfo | undefined;
    if (head !== undefined && own !== undefined) {
      info = this.#info(head, own);
      snapset = this.#snapset(head, own);
      this.#count(info, 0);
      this.#sums.bytes += info?.size ?? 0;
    }
    const expected = snapset === undefined ? [] : [...snapset.clones].reverse();
    let missing = 0;
    let bad = 0;
    for (const found of clones) {
      const [oid] = found;
      const of = problem(oid);
      const oi = this.#info(found, of);
      while (own !== undefined && expected.length > 0 && expected[0]!.id > oid.snap) {
        missing++;
        this.#missing(head![0], own, expected.shift()!, missing);
      }
      if (expected[0]?.id !== oid.snap) {
        const ignored = head !== undefined && snapset === undefined;
        this.#wrong(
          oid,
          of,
          snapsetError.HEADLESS_CLONE,
          ignored ? 'clone ignored due to missing snapset' : 'is an unexpected clone',
        );
        result.snapsets.push(of);
        bad++;
        if (own !== undefined) {
          own.errors |= snapsetError.EXTRA_CLONES;
          own.clones.push(oid.snap);
        }
        continue;
      }
      this.#count(oi, 1);
      this.#clone(oid, of, oi, expected.shift()!);
      if (of.errors !== 0) {
        result.snapsets.push(of);
        bad++;
      }
    }
    if (own === undefined || head === undefined) return;
    for (const clone of expected) {
      missing++;
      this.#missing(head[0], own, clone, missing);
    }
    if (missing > 0) result.remarks.push(`${this.#title} ${head[0]} : ${missing} missing clone(s)`);
    if (own.errors !== 0 || bad > 0) result.snapsets.push(own);
  }

  #count(oi: ObjectInfo | undefined, clones: number): void {
    const s = this.#sums;
    s.objects++;
    s.clones += clones;
    if (oi === undefined) return;
    if (oi.test(oiFlag.DIRTY)) s.dirty++;
    if (oi.test(oiFlag.WHITEOUT)) s.whiteouts++;
    if (oi.test(oiFlag.OMAP)) s.omap++;
  }

  #info([oid, found]: Found, of: InconsistentSnapset): ObjectInfo | undefined {
    const bytes = found.attrs.get('_');
    if (bytes === undefined) {
      this.#wrong(oid, of, snapsetError.INFO_MISSING, "no '_' attr");
      return undefined;
    }
    const oi = decoded(bytes, (b) => readObjectInfo(b).oi);
    if (typeof oi === 'string') {
      const error = snapsetError.INFO_CORRUPTED | snapsetError.INFO_MISSING;
      this.#wrong(oid, of, error, `can't decode '_' attr ${oi}`);
      return undefined;
    }
    if (oi.size !== found.size) {
      this.#wrong(
        oid,
        of,
        snapsetError.SIZE_MISMATCH,
        `on disk size (${found.size}) does not match object info size (${oi.size}) adjusted for ondisk to (${oi.size})`,
      );
    }
    return oi;
  }

  #snapset([oid, found]: Found, own: InconsistentSnapset): SnapSet | undefined {
    const bytes = found.attrs.get('snapset');
    if (bytes === undefined) {
      this.#wrong(oid, own, snapsetError.SNAPSET_MISSING, "no 'snapset' attr");
      return undefined;
    }
    const snapset = decoded(bytes, readSnapSet);
    if (typeof snapset === 'string') {
      this.#wrong(oid, own, snapsetError.SNAPSET_CORRUPTED, `can't decode 'snapset' attr ${snapset}`);
      return undefined;
    }
    own.snapset = bytes;
    if (snapset.clones.length > 0 && snapset.seq === 0) {
      this.#wrong(oid, own, snapsetError.SNAP_ERROR, 'snaps.seq not set');
    }
    return snapset;
  }

  #missing(head: Hobject, own: InconsistentSnapset, clone: Clone, nth: number): void {
    const text = `expected clone ${head.withSnap(clone.id)} ${nth} missing`;
    this.#wrong(head, own, snapsetError.CLONE_MISSING, text);
    own.missing.push(clone.id);
  }

  #clone(oid: Hobject, of: InconsistentSnapset, oi: ObjectInfo | undefined, clone: Clone): void {
    if (oi !== undefined && oi.size !== clone.size) {
      this.#wrong(oid, of, snapsetError.SIZE_MISMATCH, `size ${oi.size} != clone_size ${clone.size}`);
    }
    if (clone.overlap.size > clone.size) {
      this.#wrong(oid, of, snapsetError.SIZE_MISMATCH, 'bad interval_set in clone_overlap');
    } else this.#sums.bytes += cloneBytes(clone);
  }
}
