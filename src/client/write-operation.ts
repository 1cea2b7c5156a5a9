import { encodeToBytes, Writer } from '../encoding/index.ts';
import { OsdOp, osdOp, osdOpFlag } from '../messages/index.ts';
import { objectLocator, type Snapid } from '../types/index.ts';
import { namedValues, ObjectOperation, texts } from './object-operation.ts';
import { extent, named, sortedKeys, withInput } from './op-build.ts';

/** An object to copy from. */
export interface CopySource {
  readonly oid: string;
  readonly pool: number;
  readonly nspace: string;
  readonly locatorKey: string;
  readonly snap: Snapid;
  /** Its version, as a read gave it: ERANGE or EOVERFLOW where it is another by then; 0: whichever. */
  readonly version: number;
}

/** Operations that change the object; all happen or none. Data and values must not be changed by the program before the whole is done. */
export class WriteOperation extends ObjectOperation {
  /** Time of the change, in ms since 1970; now where it is not set. */
  mtime_ms: number | undefined;

  /** `isExclusive`: fails with EEXIST where the object is there. */
  create(isExclusive = false): this {
    return this.push(new OsdOp(osdOp.CREATE, isExclusive ? osdOpFlag.EXCL : 0));
  }

  /** Bytes from `offset` on; the object is made, or grows with zeros, where it is not there or shorter. */
  write(data: Uint8Array, offset = 0): this {
    return this.push(extent(osdOp.WRITE, offset, data.length, data));
  }

  /** Replaces the content. */
  writeFull(data: Uint8Array): this {
    return this.push(extent(osdOp.WRITEFULL, 0, data.length, data));
  }

  /** At the end. */
  append(data: Uint8Array): this {
    return this.push(extent(osdOp.APPEND, 0, data.length, data));
  }

  /** Writes `data` over and over, `length` bytes in all: EINVAL where that is no multiple of its length. */
  writeSame(data: Uint8Array, offset: number, length: number): this {
    const op = extent(osdOp.WRITESAME, offset, length, data);
    op.truncateSize = data.length;
    return this.push(op);
  }

  /** Cuts the content off, or lets it grow with zeros. ENOENT where there is no such object. */
  truncate(size: number): this {
    return this.push(extent(osdOp.TRUNCATE, size, 0));
  }

  /** Zeros in place of content; the object does not grow. */
  zero(offset: number, length: number): this {
    return this.push(extent(osdOp.ZERO, offset, length));
  }

  /** ENOENT where there is no such object. */
  remove(): this {
    return this.push(new OsdOp(osdOp.DELETE));
  }

  setXattr(name: string, value: Uint8Array): this {
    return this.push(named(osdOp.SETXATTR, name, value));
  }

  removeXattr(name: string): this {
    return this.push(named(osdOp.RMXATTR, name));
  }

  /** Other keys stay. */
  omapSet(entries: ReadonlyMap<string, Uint8Array>): this {
    return this.push(withInput(osdOp.OMAPSETVALS, encodeToBytes(namedValues, new Map(entries))));
  }

  omapSetHeader(header: Uint8Array): this {
    return this.push(withInput(osdOp.OMAPSETHEADER, header));
  }

  omapRemoveKeys(keys: Iterable<string>): this {
    return this.push(withInput(osdOp.OMAPRMKEYS, encodeToBytes(texts, sortedKeys(keys))));
  }

  /** Removes keys from `begin` up to and without `end`. */
  omapRemoveRange(begin: string, end: string): this {
    const w = new Writer();
    w.string(begin);
    w.string(end);
    return this.push(withInput(osdOp.OMAPRMKEYRANGE, w.bytes()));
  }

  /** Removes keys and header. */
  omapClear(): this {
    return this.push(new OsdOp(osdOp.OMAPCLEAR));
  }

  /** What to expect of the object; the store may lay it out accordingly. `flags`: mask of allocHintFlag. */
  setAllocHint(objectSize: number, writeSize: number, flags = 0): this {
    const op = new OsdOp(osdOp.SETALLOCHINT, osdOpFlag.FAILOK);
    op.setAllocHint(objectSize, writeSize, flags);
    return this.push(op);
  }

  /** Back to what the object was at a snapshot: removes it where it was not there. */
  rollback(snap: number): this {
    const op = new OsdOp(osdOp.ROLLBACK);
    op.snapid = snap;
    return this.push(op);
  }

  /** Takes content, attributes and omap of another object, at the OSDs. `source` is made by {@link IoCtx.copySource}. */
  copyFrom(source: CopySource): this {
    const op = new OsdOp(osdOp.COPY_FROM);
    op.setCopyFrom(source.snap, source.version, 0, osdOpFlag.FADVISE_SEQUENTIAL);
    const w = new Writer(128);
    w.string(source.oid);
    objectLocator.encode(w, { pool: source.pool, key: source.locatorKey, nspace: source.nspace, hash: -1 });
    op.indata = w.bytes();
    return this.push(op);
  }

  /** Keeps an object of a cache pool from being flushed or evicted. */
  cachePin(): this {
    return this.push(new OsdOp(osdOp.CACHE_PIN));
  }

  cacheUnpin(): this {
    return this.push(new OsdOp(osdOp.CACHE_UNPIN));
  }
}
