import { ErrnoError, type ErrnoName, errno, errnoName } from '../base/index.ts';
import {
  blob,
  bool,
  byString,
  type Codec,
  encodeText,
  encodeToBytes,
  list,
  pair,
  Reader,
  s32,
  sortedMap,
  string,
  u64num,
  Writer,
} from '../encoding/index.ts';
import { cmpxattrMode, OsdOp, osdOp, osdOpFlag } from '../messages/index.ts';
import { type Utime, utime, utimeToMs } from '../types/index.ts';
import { type ObjectSnaps, objectSnaps, type Watcher, watcherList } from './object-info.ts';

/** Result of one operation of a compound: there once the compound is done. */
export class OpResult<T> {
  #value: T | undefined;
  #isDone = false;
  /** 0 or above, or a negative errno; of the operation itself. */
  rval = 0;
  readonly #decode: (output: Uint8Array, rval: number) => T;

  constructor(decode: (output: Uint8Array, rval: number) => T) {
    this.#decode = decode;
  }

  /** Throws ErrnoError where the operation failed or was not reached. DecodeError where its output is none. */
  get value(): T {
    if (!this.#isDone) throw new ErrnoError('EINVAL', 'the operation has not been done');
    if (this.rval < 0) throw radosError(this.rval, 'operation');
    return this.#value as T;
  }

  /** For the one who runs the compound. */
  settle(output: Uint8Array, rval: number): void {
    this.rval = rval;
    if (rval >= 0) this.#value = this.#decode(output, rval);
    this.#isDone = true;
  }
}

/** The error for a negative errno. */
export function radosError(result: number, what: string): ErrnoError {
  const name = errnoName(result);
  return new ErrnoError(name in errno ? (name as ErrnoName) : 'EIO', name in errno ? what : `${what}: ${name}`);
}

const bytes = (output: Uint8Array): Uint8Array => output;

function decoding<T>(codec: Codec<T>): (output: Uint8Array) => T {
  return (output) => codec.decode(new Reader(output));
}

const texts = list(string);
const values = sortedMap(string, blob, byString);

/** Size and time of change of an object. */
export interface ObjectStat {
  readonly size: number;
  readonly mtime_ms: number;
}

const statCodec: Codec<ObjectStat> = {
  name: 'stat',
  length_min: 16,
  encode: () => {},
  decode: (r) => ({ size: r.u64num(), mtime_ms: utimeToMs(utime.decode(r) as Utime) }),
};

/** Keys and values of an omap, in order, and whether there are more. */
export interface OmapPage {
  readonly values: Map<string, Uint8Array>;
  readonly more: boolean;
}
const omapPage: Codec<OmapPage> = {
  name: 'omap',
  length_min: 4,
  encode: () => {},
  decode: (r) => ({ values: values.decode(r), more: r.remaining > 0 && bool.decode(r) }),
};

/** Extents with data, and their data one after another. */
export interface SparseData {
  readonly extents: Map<number, number>;
  readonly data: Uint8Array;
}
const sparseData: Codec<SparseData> = {
  name: 'sparse',
  length_min: 8,
  encode: () => {},
  decode: (r) => ({ extents: sortedMap(u64num, u64num, (a, b) => a - b).decode(r), data: r.blob() }),
};

/** Comparisons of cmpxattr and omapCmp: `cmpxattrOp`. */
export type Comparison = number;

/** Operations on one object that are done together, in order. Common to reads and writes. */
export class ObjectOperation {
  readonly ops: OsdOp[] = [];
  readonly #results: (OpResult<unknown> | undefined)[] = [];

  protected add<T>(op: OsdOp, decode: (output: Uint8Array, rval: number) => T): OpResult<T> {
    const result = new OpResult(decode);
    this.ops.push(op);
    this.#results.push(result as OpResult<unknown>);
    return result;
  }

  protected push(op: OsdOp): this {
    this.ops.push(op);
    this.#results.push(undefined);
    return this;
  }

  /** Takes the operations of a reply. */
  settle(replied: readonly OsdOp[]): void {
    for (let i = 0; i < this.#results.length; i++) {
      const reply = replied[i];
      if (reply !== undefined) this.#results[i]?.settle(reply.output, reply.rval);
    }
  }

  /** The last operation added may fail without failing the whole. */
  failOk(): this {
    const last = this.ops.at(-1);
    if (last !== undefined) last.flags |= osdOpFlag.FAILOK;
    return this;
  }

  /** Fails with ENOENT where the object is not there. */
  assertExists(): this {
    return this.push(new OsdOp(osdOp.STAT));
  }

  /** Fails with ERANGE or EOVERFLOW where the object's version is another. */
  assertVersion(version: number): this {
    const op = new OsdOp(osdOp.ASSERT_VER);
    op.assertVersion = version;
    return this.push(op);
  }

  /** Fails with ECANCELED where the attribute does not compare. `op`: one of cmpxattrOp. */
  cmpXattr(name: string, comparison: Comparison, value: Uint8Array | bigint): this {
    const isNumber = typeof value === 'bigint';
    const given = isNumber ? encodeText(value.toString()) : value;
    const op = named(osdOp.CMPXATTR, name, given);
    op.setXattr(encodeText(name).length, given.length, comparison, isNumber ? cmpxattrMode.U64 : cmpxattrMode.STRING);
    return this.push(op);
  }

  /** Fails with ECANCELED where a value does not compare. */
  omapCmp(assertions: ReadonlyMap<string, readonly [value: Uint8Array, comparison: Comparison]>): this {
    const codec = sortedMap(string, pair(blob, s32), byString);
    const wire = new Map([...assertions].map(([k, [v, c]]) => [k, [v, c] as [Uint8Array, number]]));
    return this.push(withInput(osdOp.OMAP_CMP, encodeToBytes(codec, wire)));
  }

  /** Fails with -4095 - offset of the first byte that differs. */
  cmpExt(offset: number, data: Uint8Array): this {
    return this.push(extent(osdOp.CMPEXT, offset, data.length, data));
  }

  /** Calls a method of a class at the OSD; its output. */
  call(className: string, method: string, input: Uint8Array = new Uint8Array(0)): OpResult<Uint8Array> {
    const names = encodeText(className + method);
    const indata = new Uint8Array(names.length + input.length);
    indata.set(names);
    indata.set(input, names.length);
    const op = withInput(osdOp.CALL, indata);
    op.setClass(encodeText(className).length, encodeText(method).length, input.length);
    return this.add(op, bytes);
  }
}

/** Operations that read. */
export class ReadOperation extends ObjectOperation {
  /** `length` 0: to the end. */
  read(offset = 0, length = 0): OpResult<Uint8Array> {
    return this.add(extent(osdOp.READ, offset, length), bytes);
  }

  sparseRead(offset: number, length: number): OpResult<SparseData> {
    return this.add(extent(osdOp.SPARSE_READ, offset, length), decoding(sparseData));
  }

  stat(): OpResult<ObjectStat> {
    return this.add(new OsdOp(osdOp.STAT), decoding(statCodec));
  }

  getXattr(name: string): OpResult<Uint8Array> {
    return this.add(named(osdOp.GETXATTR, name), bytes);
  }

  getXattrs(): OpResult<Map<string, Uint8Array>> {
    return this.add(new OsdOp(osdOp.GETXATTRS), decoding(values));
  }

  /** Keys after `startAfter`, at most `count`. */
  omapGetKeys(startAfter = '', count = 1024): OpResult<{ keys: string[]; more: boolean }> {
    const w = new Writer();
    w.string(startAfter);
    w.u64num(count);
    return this.add(withInput(osdOp.OMAPGETKEYS, w.bytes()), (output) => {
      const r = new Reader(output);
      return { keys: texts.decode(r), more: r.remaining > 0 && r.bool() };
    });
  }

  /** Values of keys after `startAfter` that begin with `prefix`, at most `count`. */
  omapGetVals(startAfter = '', count = 1024, prefix = ''): OpResult<OmapPage> {
    const w = new Writer();
    w.string(startAfter);
    w.u64num(count);
    w.string(prefix);
    return this.add(withInput(osdOp.OMAPGETVALS, w.bytes()), decoding(omapPage));
  }

  omapGetValsByKeys(keys: readonly string[]): OpResult<Map<string, Uint8Array>> {
    return this.add(withInput(osdOp.OMAPGETVALSBYKEYS, encodeToBytes(texts, sorted(keys))), decoding(values));
  }

  listWatchers(): OpResult<Watcher[]> {
    return this.add(new OsdOp(osdOp.LIST_WATCHERS), (output) => watcherList.decode(new Reader(output)).entries);
  }

  /** Needs a request for CEPH_SNAPDIR. */
  listSnaps(): OpResult<ObjectSnaps> {
    return this.add(new OsdOp(osdOp.LIST_SNAPS), decoding(objectSnaps));
  }

  omapGetHeader(): OpResult<Uint8Array> {
    return this.add(new OsdOp(osdOp.OMAPGETHEADER), bytes);
  }
}

/** Operations that change the object; all happen or none. */
export class WriteOperation extends ObjectOperation {
  /** Time of the change in wall ms; else now. */
  mtime_ms: number | undefined;

  /** `isExclusive`: fails with EEXIST where the object is there. */
  create(isExclusive = false): this {
    return this.push(new OsdOp(osdOp.CREATE, isExclusive ? osdOpFlag.EXCL : 0));
  }

  /** The data must not change before the operation is done. */
  write(data: Uint8Array, offset = 0): this {
    return this.push(extent(osdOp.WRITE, offset, data.length, data));
  }

  /** Replaces the content. */
  writeFull(data: Uint8Array): this {
    return this.push(extent(osdOp.WRITEFULL, 0, data.length, data));
  }

  append(data: Uint8Array): this {
    return this.push(extent(osdOp.APPEND, 0, data.length, data));
  }

  /** Writes `data` over and over up to `length`, a multiple of its length. */
  writeSame(data: Uint8Array, offset: number, length: number): this {
    const op = extent(osdOp.WRITESAME, offset, length, data);
    op.truncateSize = data.length;
    return this.push(op);
  }

  truncate(size: number): this {
    return this.push(extent(osdOp.TRUNCATE, size, 0));
  }

  zero(offset: number, length: number): this {
    return this.push(extent(osdOp.ZERO, offset, length));
  }

  remove(): this {
    return this.push(new OsdOp(osdOp.DELETE));
  }

  setXattr(name: string, value: Uint8Array): this {
    return this.push(named(osdOp.SETXATTR, name, value));
  }

  removeXattr(name: string): this {
    return this.push(named(osdOp.RMXATTR, name));
  }

  omapSet(entries: ReadonlyMap<string, Uint8Array>): this {
    return this.push(withInput(osdOp.OMAPSETVALS, encodeToBytes(values, new Map(entries))));
  }

  omapSetHeader(header: Uint8Array): this {
    return this.push(withInput(osdOp.OMAPSETHEADER, header));
  }

  omapRemoveKeys(keys: readonly string[]): this {
    return this.push(withInput(osdOp.OMAPRMKEYS, encodeToBytes(texts, sorted(keys))));
  }

  /** Removes keys from `begin` up to and without `end`. */
  omapRemoveRange(begin: string, end: string): this {
    const w = new Writer();
    w.string(begin);
    w.string(end);
    return this.push(withInput(osdOp.OMAPRMKEYRANGE, w.bytes()));
  }

  omapClear(): this {
    return this.push(new OsdOp(osdOp.OMAPCLEAR));
  }

  /** What to expect of the object; the store may lay it out accordingly. `flags`: mask of allocHintFlag. */
  setAllocHint(objectSize: number, writeSize: number, flags = 0): this {
    const op = new OsdOp(osdOp.SETALLOCHINT, osdOpFlag.FAILOK);
    op.setAllocHint(objectSize, writeSize, flags);
    return this.push(op);
  }

  /** Back to what the object was at a snapshot. */
  rollback(snap: number): this {
    const op = new OsdOp(osdOp.ROLLBACK);
    op.snapid = snap;
    return this.push(op);
  }
}

function withInput(code: number, input: Uint8Array): OsdOp {
  const op = new OsdOp(code);
  op.indata = input;
  return op;
}

function extent(code: number, offset: number, length: number, data?: Uint8Array): OsdOp {
  const op = new OsdOp(code);
  op.offset = offset;
  op.length = length;
  if (data !== undefined) op.indata = data;
  return op;
}

function named(code: number, name: string, value?: Uint8Array): OsdOp {
  const n = encodeText(name);
  const op = new OsdOp(code);
  if (value === undefined) op.indata = n;
  else {
    const indata = new Uint8Array(n.length + value.length);
    indata.set(n);
    indata.set(value, n.length);
    op.indata = indata;
  }
  op.setXattr(n.length, value?.length ?? 0);
  return op;
}

function sorted(keys: readonly string[]): string[] {
  return [...new Set(keys)].sort(byString);
}
