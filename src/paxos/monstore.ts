import type { Kv, KvOp } from '../base/index.ts';
import { decodeText, encodeText } from '../encoding/index.ts';
import type { StoreOp } from './transaction.ts';

/** Before every key. */
const FIRST_KEY = Uint8Array.of(0);

/**
 * The monitor's durable tables on an ordered key-value database. A key is `prefix NUL key`, as in Ceph's store. Reads see what
 * is committed.
 */
export class MonStore {
  readonly #kv: Kv;

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  get(prefix: string, key: string | number): Uint8Array | undefined {
    return this.#kv.get(storeKey(prefix, String(key)));
  }

  /** A counter written by StoreTransaction.putNumber; 0 where it is missing. */
  getNumber(prefix: string, key: string): number {
    const bytes = this.get(prefix, key);
    if (bytes === undefined || bytes.length !== 8) return 0;
    return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  }

  exists(prefix: string, key: string | number): boolean {
    return this.get(prefix, key) !== undefined;
  }

  /** Entries of a table in order of their keys, from `from` on. */
  *entries(prefix: string, from = ''): Iterable<readonly [key: string, value: Uint8Array]> {
    const start = storeKey(prefix, from);
    const skip = encodeText(prefix).length + 1;
    for (const [key, value] of this.#kv.range(start, tableEnd(prefix))) yield [decodeText(key, skip), value];
  }

  *keys(prefix: string, from = ''): Iterable<string> {
    const skip = encodeText(prefix).length + 1;
    for (const [key] of this.#kv.range(storeKey(prefix, from), tableEnd(prefix), { keysOnly: true })) {
      yield decodeText(key, skip);
    }
  }

  /** Names of all tables. */
  tables(): string[] {
    const names: string[] = [];
    let start: Uint8Array = FIRST_KEY;
    for (;;) {
      const next = this.#kv.range(start, undefined, { limit: 1, keysOnly: true })[Symbol.iterator]().next();
      if (next.done === true) return names;
      const key = next.value[0];
      const end = key.indexOf(0);
      const name = decodeText(end < 0 ? key : key.subarray(0, end));
      names.push(name);
      start = tableEnd(name);
    }
  }

  /** Entries of all tables in order, from one on. */
  *all(prefix: string, key: string): Iterable<readonly [prefix: string, key: string, value: Uint8Array]> {
    const start = prefix === '' ? FIRST_KEY : storeKey(prefix, key);
    for (const [full, value] of this.#kv.range(start, undefined)) {
      const end = full.indexOf(0);
      if (end >= 0) yield [decodeText(full.subarray(0, end)), decodeText(full, end + 1), value];
    }
  }

  /** Applies in order, all or nothing; durable and visible when `done` is called. */
  commit(ops: readonly StoreOp[], done: (error: Error | null) => void): void {
    this.#kv.commit(ops.map(toKv), done);
  }

  commitSync(ops: readonly StoreOp[]): void {
    this.#kv.commitSync(ops.map(toKv));
  }

  close(): void {
    this.#kv.close();
  }
}

function storeKey(prefix: string, key: string): Uint8Array {
  return encodeText(`${prefix}\0${key}`);
}

/** First key after every `prefix NUL ...`. */
function tableEnd(prefix: string): Uint8Array {
  return encodeText(`${prefix}\x01`);
}

function toKv(op: StoreOp): KvOp {
  if (op.kind === 'put') return { kind: 'put', key: storeKey(op.prefix, op.key), value: op.value };
  if (op.kind === 'erase') return { kind: 'del', key: storeKey(op.prefix, op.key) };
  return { kind: 'delRange', start: storeKey(op.prefix, op.key), end: storeKey(op.prefix, op.endKey) };
}
