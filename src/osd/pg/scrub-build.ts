/** What an OSD has of a range of objects (ScrubMap), gathered in short steps so that the daemon serves on in between. */
import { crc32c } from '../../base/index.ts';
import { Writer } from '../../encoding/index.ts';
import { type ObjectStore, StoreError } from '../../store/index.ts';
import {
  type Eversion,
  eversionZero,
  Ghobject,
  type Hobject,
  makeScrubObject,
  type ScrubMap,
  type ScrubObject,
} from '../../types/index.ts';

export interface BuildLimits {
  /** Bytes of data read, and omap entries, in one step (osd_deep_scrub_stride, osd_deep_scrub_keys). */
  readonly stride: number;
  readonly keys: number;
  /** An omap with more entries or bytes than this is remarked on. */
  readonly largeKeys: number;
  readonly largeBytes: number;
}

const DIGEST_SEED = 0xffffffff;
/** Objects listed at a time. */
const LIST = 256;

/** Where a deep look at one object is. */
interface Deep {
  readonly gho: Ghobject;
  readonly found: ScrubObject;
  offset: number;
  dataDigest: number;
  dataDone: boolean;
  omapDigest: number;
  /** Last key seen; undefined before the header. */
  after: string | undefined;
}

export class ScrubMapBuilder {
  readonly #store: ObjectStore;
  readonly #coll: string;
  readonly #deep: boolean;
  readonly #limits: BuildLimits;
  readonly #todo: Ghobject[];
  #now: Deep | undefined;
  readonly map: ScrubMap;

  constructor(
    store: ObjectStore,
    coll: string,
    shard: number,
    range: { readonly start: Hobject; readonly end: Hobject },
    deep: boolean,
    validThrough: Eversion,
    limits: BuildLimits,
  ) {
    this.#store = store;
    this.#coll = coll;
    this.#deep = deep;
    this.#limits = limits;
    this.#todo = [];
    const end = range.end.isMax ? undefined : new Ghobject(range.end, undefined, shard);
    let from = new Ghobject(range.start, undefined, shard);
    for (;;) {
      const found = store.list(coll, from, end, LIST);
      for (const o of found.objects) if (!o.isPgMeta && !o.hobj.isTemp) this.#todo.push(o);
      if (found.objects.length < LIST || found.next.isMax) break;
      from = found.next;
    }
    this.#todo.reverse();
    this.map = { objects: [], validThrough, incrSince: eversionZero };
  }

  /** Goes on a little. True when the map is whole. */
  step(): boolean {
    if (this.#now === undefined) {
      const gho = this.#todo.pop();
      if (gho === undefined) return true;
      const found = this.#look(gho);
      if (found === undefined) return this.#todo.length === 0;
      this.map.objects.push([gho.hobj, found]);
      if (!this.#deep || found.statError) return this.#todo.length === 0;
      this.#now = {
        gho,
        found,
        offset: 0,
        dataDigest: DIGEST_SEED,
        dataDone: false,
        omapDigest: DIGEST_SEED,
        after: undefined,
      };
    }
    const now: Deep = this.#now;
    try {
      if (this.#deeper(now)) this.#now = undefined;
    } catch (error) {
      if (!isReadError(error)) throw error;
      now.found.readError = true;
      this.#now = undefined;
    }
    return this.#now === undefined && this.#todo.length === 0;
  }

  /** Size and xattrs; undefined where it is gone. */
  #look(gho: Ghobject): ScrubObject | undefined {
    const found = makeScrubObject();
    try {
      const stat = this.#store.stat(this.#coll, gho);
      const attrs = this.#store.getAttrs(this.#coll, gho);
      if (stat === undefined || attrs === undefined) return undefined;
      found.size = stat.size;
      found.attrs = new Map(attrs);
    } catch (error) {
      if (!isReadError(error)) throw error;
      found.statError = true;
    }
    return found;
  }

  /** The next piece of data or omap. True when the object is done. */
  #deeper(d: Deep): boolean {
    const store = this.#store;
    const { stride } = this.#limits;
    if (!d.dataDone) {
      const left = d.found.size - d.offset;
      const parts = left > 0 ? (store.readSync(this.#coll, d.gho, d.offset, Math.min(stride, left)) ?? []) : [];
      let n = 0;
      for (const part of parts) {
        d.dataDigest = crc32c(d.dataDigest, part);
        n += part.length;
      }
      d.offset += n;
      if (n > 0 && d.offset < d.found.size) return false;
      d.dataDone = true;
      d.found.digest = d.dataDigest;
      d.found.digestPresent = true;
    }
    return this.#omap(d);
  }

  #omap(d: Deep): boolean {
    const store = this.#store;
    const { found } = d;
    if (d.after === undefined) {
      const header = store.omapHeader(this.#coll, d.gho);
      if (header !== undefined) d.omapDigest = crc32c(d.omapDigest, header);
      d.after = '';
    }
    let n = 0;
    for (const [key, value] of store.omapIterate(this.#coll, d.gho, { after: d.after }) ?? []) {
      if (n++ >= this.#limits.keys) return false;
      const w = new Writer(64);
      w.string(key);
      w.blob(value);
      d.omapDigest = crc32c(d.omapDigest, w.bytes());
      d.after = key;
      found.objectOmapKeys++;
      found.objectOmapBytes += value.length;
    }
    const { largeKeys, largeBytes } = this.#limits;
    if (found.objectOmapKeys > largeKeys || found.objectOmapBytes > largeBytes) {
      found.largeOmapObjectFound = true;
      found.largeOmapObjectKeyCount = found.objectOmapKeys;
      found.largeOmapObjectValueSize = found.objectOmapBytes;
    }
    found.omapDigest = d.omapDigest;
    found.omapDigestPresent = true;
    return true;
  }
}

function isReadError(error: unknown): boolean {
  return error instanceof StoreError && (error.kind === 'corrupt' || error.kind === 'io');
}
