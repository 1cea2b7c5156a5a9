import { blob, type Codec, list, type Reader, string, struct, u8, u64num, type Writer } from '../encoding/index.ts';

/**
 * One change of the monitor's store. Keys live in a table named by `prefix`, as they do in Ceph's MonitorDBStore, so that the
 * encoded form of a proposal is the same on every monitor.
 */
export type StoreOp =
  | { readonly kind: 'put'; readonly prefix: string; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'erase'; readonly prefix: string; readonly key: string }
  /** Removes keys in [key, endKey). */
  | { readonly kind: 'eraseRange'; readonly prefix: string; readonly key: string; readonly endKey: string };

/** Operation types on the wire (MonitorDBStore.h). */
const OP_PUT = 1;
const OP_ERASE = 2;
const OP_COMPACT = 3;
const OP_ERASE_RANGE = 4;

const empty = new Uint8Array(0);

interface WireOp {
  type: number;
  prefix: string;
  key: string;
  bl: Uint8Array;
  endkey: string;
}

const wireOp: Codec<WireOp> = struct(
  'MonitorDBStore::Op',
  { version: 2, compat: 1 },
  { type: u8, prefix: string, key: string, bl: blob, endkey: string },
);

const wireTransaction = struct(
  'MonitorDBStore::Transaction',
  { version: 2, compat: 1 },
  { ops: list(wireOp), bytes: u64num, keys: u64num },
);

/**
 * What one proposal of the log changes: an ordered list of store operations, all or nothing. Its encoding is Ceph's
 * (MonitorDBStore::Transaction), because with several monitors the encoded bytes are the value that Paxos agrees on.
 */
export class StoreTransaction {
  readonly ops: StoreOp[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.ops.length === 0;
  }

  /** Bytes of keys and values in it. */
  get size(): number {
    return this.#bytes;
  }

  put(prefix: string, key: string | number, value: Uint8Array): void {
    const name = String(key);
    this.ops.push({ kind: 'put', prefix, key: name, value });
    this.#bytes += prefix.length + name.length + value.length;
  }

  /** A counter such as `last_committed`: a u64. */
  putNumber(prefix: string, key: string | number, value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    this.put(prefix, key, bytes);
  }

  erase(prefix: string, key: string | number): void {
    const name = String(key);
    this.ops.push({ kind: 'erase', prefix, key: name });
    this.#bytes += prefix.length + name.length;
  }

  eraseRange(prefix: string, key: string, endKey: string): void {
    this.ops.push({ kind: 'eraseRange', prefix, key, endKey });
    this.#bytes += prefix.length + key.length + endKey.length;
  }

  append(other: StoreTransaction): void {
    for (const op of other.ops) this.ops.push(op);
    this.#bytes += other.#bytes;
  }

  encode(w: Writer): void {
    wireTransaction.encode(w, {
      ops: this.ops.map(toWire),
      bytes: this.#bytes,
      keys: this.ops.length,
    });
  }

  /** @throws DecodeError */
  static decode(r: Reader): StoreTransaction {
    const wire = wireTransaction.decode(r);
    const transaction = new StoreTransaction();
    for (const op of wire.ops) {
      if (op.type === OP_PUT) transaction.put(op.prefix, op.key, op.bl);
      else if (op.type === OP_ERASE) transaction.erase(op.prefix, op.key);
      else if (op.type === OP_ERASE_RANGE) transaction.eraseRange(op.prefix, op.key, op.endkey);
      // A compaction request is advice about the database underneath; it changes no state.
      else if (op.type !== OP_COMPACT) throw r.fail(`unknown operation type ${op.type} in a monitor transaction`);
    }
    return transaction;
  }
}

function toWire(op: StoreOp): WireOp {
  if (op.kind === 'put') return { type: OP_PUT, prefix: op.prefix, key: op.key, bl: op.value, endkey: '' };
  if (op.kind === 'erase') return { type: OP_ERASE, prefix: op.prefix, key: op.key, bl: empty, endkey: '' };
  return { type: OP_ERASE_RANGE, prefix: op.prefix, key: op.key, bl: empty, endkey: op.endKey };
}
