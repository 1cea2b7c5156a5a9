import { bool, type Codec, encodeToBytes, Reader, sortedMap, u64num, Writer } from '../encoding/index.ts';
import { checksumType, OsdOp, osdOp } from '../messages/index.ts';
import { type Utime, utime, utimeToMs } from '../types/index.ts';
import { type ObjectSnaps, objectSnaps, type Watcher, watcherList } from './object-info.ts';
import { asBytes, namedValues, ObjectOperation, type OpResult, texts } from './object-operation.ts';
import { extent, named, sortedKeys, withInput } from './op-build.ts';

/** Size in bytes and time of change of an object, in ms since 1970. */
export interface ObjectStat {
  readonly size: number;
  readonly mtime_ms: number;
}

/** Keys and values of an omap, in order, and whether there are more. */
export interface OmapPage {
  readonly values: Map<string, Uint8Array>;
  readonly more: boolean;
}

/** Where the object has data (offset: length, in bytes), and that data one after another; all else is zeros. */
export interface SparseData {
  readonly extents: Map<number, number>;
  readonly data: Uint8Array;
}

/** A function that OSDs sum content with. */
export type ChecksumKind = 'crc32c' | 'xxhash32' | 'xxhash64';

const CHECKSUM_TYPES: Readonly<Record<ChecksumKind, number>> = {
  crc32c: checksumType.CRC32C,
  xxhash32: checksumType.XXHASH32,
  xxhash64: checksumType.XXHASH64,
};

function decoding<T>(codec: Pick<Codec<T>, 'decode'>): (output: Uint8Array) => T {
  return (output) => codec.decode(new Reader(output));
}

const stat = {
  decode: (r: Reader): ObjectStat => ({ size: r.u64num(), mtime_ms: utimeToMs(utime.decode(r) as Utime) }),
};
const omapPage = {
  decode: (r: Reader): OmapPage => ({ values: namedValues.decode(r), more: r.remaining > 0 && bool.decode(r) }),
};
const extentMap = sortedMap(u64num, u64num, (a, b) => a - b);
const sparse = { decode: (r: Reader): SparseData => ({ extents: extentMap.decode(r), data: r.blob() }) };

/** Operations that read; each gives an {@link OpResult} that has its value once the whole is done. */
export class ReadOperation extends ObjectOperation {
  /** Content, in bytes; `length` 0: to the end. Shorter where the object ends. */
  read(offset = 0, length = 0): OpResult<Uint8Array> {
    return this.add(extent(osdOp.READ, offset, length), asBytes);
  }

  /** Content without its holes. */
  sparseRead(offset: number, length: number): OpResult<SparseData> {
    return this.add(extent(osdOp.SPARSE_READ, offset, length), decoding(sparse));
  }

  stat(): OpResult<ObjectStat> {
    return this.add(new OsdOp(osdOp.STAT), decoding(stat));
  }

  /**
   * Sums of content, one for each `chunkSize` bytes (0: one for all of it). `length` 0 with `offset` 0: the whole object. `seed`: where the sums
   * start (Ceph's crc32c is not inverted: 0xffffffff is usual). EINVAL where `length` is no multiple of `chunkSize`.
   */
  checksum(
    kind: ChecksumKind,
    { offset = 0, length = 0, chunkSize = 0, seed = kind === 'xxhash64' ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn } = {},
  ): OpResult<bigint[]> {
    const op = new OsdOp(osdOp.CHECKSUM);
    op.setChecksum(offset, length, chunkSize, CHECKSUM_TYPES[kind]);
    const w = new Writer(8);
    if (kind === 'xxhash64') w.u64(seed);
    else w.u32(Number(seed));
    op.indata = w.bytes();
    return this.add(op, (output) => {
      const sums: bigint[] = [];
      if (output.length === 0) return sums;
      const r = new Reader(output);
      for (let n = r.count(kind === 'xxhash64' ? 8 : 4); n > 0; n--) {
        sums.push(kind === 'xxhash64' ? r.u64() : BigInt(r.u32()));
      }
      return sums;
    });
  }

  /** ENODATA where there is none of that name. */
  getXattr(name: string): OpResult<Uint8Array> {
    return this.add(named(osdOp.GETXATTR, name), asBytes);
  }

  getXattrs(): OpResult<Map<string, Uint8Array>> {
    return this.add(new OsdOp(osdOp.GETXATTRS), decoding(namedValues));
  }

  /** Keys after `startAfter`, at most `count` (and at most osd_max_omap_entries_per_request, 1024). */
  omapGetKeys(startAfter = '', count = 1024): OpResult<{ keys: string[]; more: boolean }> {
    const w = new Writer();
    w.string(startAfter);
    w.u64num(count);
    return this.add(withInput(osdOp.OMAPGETKEYS, w.bytes()), (output) => {
      const r = new Reader(output);
      return { keys: texts.decode(r), more: r.remaining > 0 && r.bool() };
    });
  }

  /** Values of keys after `startAfter` that begin with `prefix`, at most `count` (and at most osd_max_omap_entries_per_request, 1024). */
  omapGetVals(startAfter = '', count = 1024, prefix = ''): OpResult<OmapPage> {
    const w = new Writer();
    w.string(startAfter);
    w.u64num(count);
    w.string(prefix);
    return this.add(withInput(osdOp.OMAPGETVALS, w.bytes()), decoding(omapPage));
  }

  /** Of those keys that are there. */
  omapGetValsByKeys(keys: Iterable<string>): OpResult<Map<string, Uint8Array>> {
    const input = encodeToBytes(texts, sortedKeys(keys));
    return this.add(withInput(osdOp.OMAPGETVALSBYKEYS, input), decoding(namedValues));
  }

  /** Empty where none was set. */
  omapGetHeader(): OpResult<Uint8Array> {
    return this.add(new OsdOp(osdOp.OMAPGETHEADER), asBytes);
  }

  listWatchers(): OpResult<Watcher[]> {
    return this.add(new OsdOp(osdOp.LIST_WATCHERS), (output) => watcherList.decode(new Reader(output)).entries);
  }

  /** What snapshots keep of the object; in a request for snapshot CEPH_SNAPDIR, as {@link IoCtx.listSnaps} makes it. */
  listSnaps(): OpResult<ObjectSnaps> {
    return this.add(new OsdOp(osdOp.LIST_SNAPS), decoding(objectSnaps));
  }

  /** Whether an object of a cache pool has changes that its base pool lacks. */
  isDirty(): OpResult<boolean> {
    return this.add(new OsdOp(osdOp.ISDIRTY), (output) => new Reader(output).bool());
  }
}
