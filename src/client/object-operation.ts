import {
  blob,
  byString,
  encodeText,
  encodeToBytes,
  list,
  pair,
  s32,
  sortedMap,
  string,
  Writer,
} from '../encoding/index.ts';
import { cmpxattrMode, cmpxattrOp, OsdOp, osdOp, osdOpFlag, osdOpName } from '../messages/index.ts';
import { classCall, extent, NO_BYTES, named } from './op-build.ts';
import { RadosError } from './rados-error.ts';

/** Result of one operation of a compound: there once the compound is done. */
export class OpResult<T> {
  #value: T | undefined;
  #isDone = false;
  /** 0 or above, or a negative errno; of the operation itself. */
  rval = 0;
  readonly #operation: string;
  readonly #decode: (output: Uint8Array, rval: number) => T;

  /** `operation`: its name in errors. */
  constructor(operation: string, decode: (output: Uint8Array, rval: number) => T) {
    this.#operation = operation;
    this.#decode = decode;
  }

  /** Throws RadosError where the operation failed or was not reached (EINVAL). DecodeError where its output is none. */
  get value(): T {
    if (!this.#isDone) throw new RadosError(-22, { operation: this.#operation, detail: 'it has not been done' });
    if (this.rval < 0) throw new RadosError(this.rval, { operation: this.#operation });
    return this.#value as T;
  }

  /** For the one who runs the compound. */
  settle(output: Uint8Array, rval: number): void {
    this.rval = rval;
    if (rval >= 0) this.#value = this.#decode(output, rval);
    this.#isDone = true;
  }
}

/** Output as it came. */
export const asBytes = (output: Uint8Array): Uint8Array => output;

/** How a guard compares: the value given is to be equal to, not equal to, greater than ... the value that is there. Numbers are cmpxattrOp's. */
export type Comparison = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | number;

const COMPARISONS: Readonly<Record<string, number>> = {
  eq: cmpxattrOp.EQ,
  ne: cmpxattrOp.NE,
  gt: cmpxattrOp.GT,
  gte: cmpxattrOp.GTE,
  lt: cmpxattrOp.LT,
  lte: cmpxattrOp.LTE,
};

function comparisonCode(comparison: Comparison): number {
  return typeof comparison === 'number' ? comparison : COMPARISONS[comparison]!;
}

const assertionMap = sortedMap(string, pair(blob, s32), byString);

/**
 * Operations on one object that are done together, in order, by {@link IoCtx.operate} or {@link IoCtx.operateRead}: if one fails, so does the
 * whole, and nothing is changed. Common to reads and writes are the guards. One operation object is used once.
 */
export class ObjectOperation {
  readonly ops: OsdOp[] = [];
  readonly #results: (OpResult<unknown> | undefined)[] = [];

  protected add<T>(op: OsdOp, decode: (output: Uint8Array, rval: number) => T): OpResult<T> {
    const result = new OpResult(osdOpName(op.code), decode);
    this.ops.push(op);
    this.#results.push(result as OpResult<unknown>);
    return result;
  }

  protected push(op: OsdOp): this {
    this.ops.push(op);
    this.#results.push(undefined);
    return this;
  }

  /** For the one who runs it: takes the operations of a reply, and the result of the whole. */
  settle(replied: readonly OsdOp[], result = 0): void {
    for (let i = 0; i < this.#results.length; i++) {
      const reply = replied[i];
      // Where the whole failed, an operation without an error of its own may not have been reached.
      if (reply !== undefined && (result >= 0 || reply.rval < 0)) this.#results[i]?.settle(reply.output, reply.rval);
    }
  }

  /** The operation added last may fail without failing the whole. */
  failOk(): this {
    return this.setFlags(osdOpFlag.FAILOK);
  }

  /** Adds to the flags of the operation added last: mask of osdOpFlag, as FADVISE_DONTNEED. */
  setFlags(flags: number): this {
    const last = this.ops.at(-1);
    if (last !== undefined) last.flags |= flags;
    return this;
  }

  /** Fails with ENOENT where the object is not there. */
  assertExists(): this {
    return this.push(new OsdOp(osdOp.STAT));
  }

  /** Fails with ERANGE where the object's version is lower, with EOVERFLOW where it is higher. */
  assertVersion(version: number): this {
    const op = new OsdOp(osdOp.ASSERT_VER);
    op.assertVersion = version;
    return this.push(op);
  }

  /**
   * Fails with ECANCELED where the attribute does not compare as it should: `value` is to be, as with 'gt', greater than what is there. Bytes
   * and texts compare as bytes; numbers (unsigned, 64 bits) with the decimal number in the attribute, EINVAL where there is none. An attribute
   * that is not there counts as empty, or 0.
   */
  cmpXattr(name: string, comparison: Comparison, value: Uint8Array | string | number | bigint): this {
    const isNumber = typeof value === 'bigint' || typeof value === 'number';
    let given: Uint8Array;
    if (isNumber) {
      const w = new Writer(8);
      w.u64(BigInt(value));
      given = w.bytes();
    } else given = typeof value === 'string' ? encodeText(value) : value;
    const op = named(osdOp.CMPXATTR, name, given);
    const mode = isNumber ? cmpxattrMode.U64 : cmpxattrMode.STRING;
    op.setXattr(encodeText(name).length, given.length, comparisonCode(comparison), mode);
    return this.push(op);
  }

  /**
   * Fails with ECANCELED where a value of the omap does not compare as it should: what is there is to be, as with 'gt', greater than the value
   * given. Ceph knows 'eq', 'gt' and 'lt' here; EINVAL for others. A key that is not there counts as empty.
   */
  omapCmp(assertions: ReadonlyMap<string, readonly [value: Uint8Array, comparison: Comparison]>): this {
    const wire = new Map(
      [...assertions].map(([k, [v, c]]) => [k, [v, comparisonCode(c)] as [Uint8Array, number]] as const),
    );
    const input = encodeToBytes(assertionMap, wire);
    return this.push(extent(osdOp.OMAP_CMP, 0, input.length, input));
  }

  /**
   * Fails where the content at `offset` is not `data`; RadosError.mismatchOffset then says which byte of `data` differs first. Bytes beyond the
   * object's end count as zeros.
   */
  cmpExt(data: Uint8Array, offset = 0): this {
    return this.push(extent(osdOp.CMPEXT, offset, data.length, data));
  }

  /** Calls a method of an object class at the OSD; its output. EOPNOTSUPP where there is no such class or method. */
  call(className: string, method: string, input: Uint8Array = NO_BYTES): OpResult<Uint8Array> {
    return this.add(classCall(osdOp.CALL, className, method, input), asBytes);
  }

  /** Fails with EBUSY where the lock is not held so: by this client, with this cookie and tag. */
  assertLocked(name: string, type: 'exclusive' | 'shared', cookie = '', tag = ''): this {
    const w = new Writer(64);
    const token = w.structStart(1, 1);
    w.string(name);
    w.u8(type === 'exclusive' ? 1 : 2);
    w.string(cookie);
    w.string(tag);
    w.structEnd(token);
    return this.push(classCall(osdOp.CALL, 'lock', 'assert_locked', w.bytes()));
  }
}

/** Names one after another. */
export const texts = list(string);
/** Names and values, in order. */
export const namedValues = sortedMap(string, blob, byString);
