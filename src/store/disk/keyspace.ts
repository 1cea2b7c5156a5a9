import type { Kv, KvOp } from '../../base/index.ts';
import { Arena } from '../arena.ts';
import { type ByteString, byteStringToBytes, bytesToByteString, writeByteString } from '../byte-string.ts';
import { getSealed, SEAL_LENGTH, sealedPut, unseal } from './sealed.ts';

/**
 * The key-value database with keys as byte strings of any length. An engine takes keys up to some limit L. Hashing what is beyond
 * it would lose the order, so a longer key is cut, and the rest becomes a key of its own under the head's number:
 *
 *     K, |K| <= D          stored at K                           D = L - 1
 *     K, longer            head = its first D bytes
 *                          head + 0x01  ->  u64 number           (this entry sorts right after K = head and before all others)
 *                          'T' number rest  ->  value            rest again cut where it is longer than D - 9
 *
 *     'N'                  ->  u64 number of the next head
 *
 * An iteration that meets a head's entry goes through the head's own keys and then on; so the order is that of the whole keys, and a
 * key costs one look-up per D bytes. Numbers are never used twice.
 */
const TAIL_KIND = 'T';
const HEAD_MARK = '\x01';
const KEYS_ONLY = { keysOnly: true };
/** Key of the number that the next head gets. */
const NEXT_HEAD = 'N';

export class KeySpace {
  readonly #kv: Kv;
  readonly #direct: number;
  /** Heads known, with their numbers; and those made by a commit that is under way. */
  readonly #heads = new Map<ByteString, number>();
  #nextHead: number;
  /** Keys of operations that wait for their commit. */
  readonly #arena = new Arena(64 * 1024);

  constructor(kv: Kv) {
    this.#kv = kv;
    this.#direct = kv.keyLength_max - 1;
    const stored = getSealed(kv, byteStringToBytes(NEXT_HEAD));
    this.#nextHead = stored === undefined ? 0 : readId(bytesToByteString(stored), 0);
  }

  get(key: ByteString): Uint8Array | undefined {
    const physical = key.length <= this.#direct ? key : this.#translate(key, undefined);
    return physical === undefined ? undefined : getSealed(this.#kv, byteStringToBytes(physical));
  }

  /** Bytes of a key and its value, which is not verified; undefined where it is not there. */
  storedLength(key: ByteString): number | undefined {
    const physical = key.length <= this.#direct ? key : this.#translate(key, undefined);
    const stored = physical === undefined ? undefined : this.#kv.get(byteStringToBytes(physical));
    return stored === undefined ? undefined : key.length + stored.length - SEAL_LENGTH;
  }

  put(ops: KvOp[], key: ByteString, value: Uint8Array): void {
    const physical = key.length <= this.#direct ? key : this.#translate(key, ops)!;
    ops.push(sealedPut(this.#arena, physical, value));
  }

  del(ops: KvOp[], key: ByteString): void {
    const physical = key.length <= this.#direct ? key : this.#translate(key, undefined);
    if (physical !== undefined) ops.push({ kind: 'del', key: this.#bytes(physical) });
  }

  #bytes(key: ByteString): Uint8Array {
    const bytes = this.#arena.take(key.length);
    writeByteString(bytes, key, 0);
    return bytes;
  }

  /** Where a long key lies; with `ops`, heads that are missing are made. */
  #translate(key: ByteString, ops: KvOp[] | undefined): ByteString | undefined {
    let prefix = '';
    let rest = key;
    while (prefix.length + rest.length > this.#direct) {
      const take = this.#direct - prefix.length;
      const head = prefix + rest.slice(0, take);
      const id = this.#head(head, ops);
      if (id === undefined) return undefined;
      prefix = TAIL_KIND + idString(id);
      rest = rest.slice(take);
    }
    return prefix + rest;
  }

  #head(head: ByteString, ops: KvOp[] | undefined): number | undefined {
    const known = this.#heads.get(head);
    if (known !== undefined) return known;
    const stored = getSealed(this.#kv, byteStringToBytes(head + HEAD_MARK));
    if (stored !== undefined) {
      const id = readId(bytesToByteString(stored), 0);
      this.#remember(head, id);
      return id;
    }
    if (ops === undefined) return undefined;
    const id = this.#nextHead++;
    ops.push(sealedPut(this.#arena, head + HEAD_MARK, byteStringToBytes(idString(id))));
    ops.push(sealedPut(this.#arena, NEXT_HEAD, byteStringToBytes(idString(id + 1))));
    this.#remember(head, id);
    return id;
  }

  #remember(head: ByteString, id: number): void {
    // A head of a commit under way must stay known until it is stored; a checkpoint makes far fewer than this.
    if (this.#heads.size >= 100_000) {
      for (const old of this.#heads.keys()) {
        this.#heads.delete(old);
        if (this.#heads.size < 50_000) break;
      }
    }
    this.#heads.set(head, id);
  }

  /** Entries with start <= key < end, in order. */
  *range(start: ByteString, end: ByteString, keysOnly = false): IterableIterator<readonly [ByteString, Uint8Array]> {
    yield* this.#range('', start, end, '', keysOnly);
  }

  /**
   * Adds the first entries with start <= key < end to `names` (without the first `skip` bytes of each key) and `values`, `count` at most. Returns whether there may be
   * more. Short of a generator's step for each of them, which costs as much as reading it.
   */
  page(
    start: ByteString,
    end: ByteString,
    count: number,
    skip: number,
    names: ByteString[],
    values: Uint8Array[],
  ): boolean {
    const direct = this.#direct;
    const lower = start.length > direct ? start.slice(0, direct) : start;
    const upper = end.length > direct ? `${end.slice(0, direct)}\x02` : end;
    let left = count;
    for (const [physical, stored] of this.#kv.range(byteStringToBytes(lower), byteStringToBytes(upper))) {
      if (physical.length > direct) {
        const head = bytesToByteString(physical, 0, direct);
        const id = readId(bytesToByteString(unseal(physical, stored)), 0);
        for (const [whole, value] of this.#range(TAIL_KIND + idString(id), start, end, head, false)) {
          if (left-- === 0) return true;
          names.push(whole.slice(skip));
          values.push(value);
        }
        continue;
      }
      // What was cut off the start may put the key before it.
      if (start.length > direct && bytesToByteString(physical) < start) continue;
      if (left-- === 0) return true;
      names.push(bytesToByteString(physical, skip));
      values.push(unseal(physical, stored));
    }
    return false;
  }

  /**
   * Keys under a physical prefix. `start` and `end` are whole logical keys, `logical` what the prefix stands for.
   */
  *#range(
    prefix: ByteString,
    start: ByteString,
    end: ByteString,
    logical: ByteString,
    keysOnly: boolean,
  ): IterableIterator<readonly [ByteString, Uint8Array]> {
    let lower = prefix;
    if (start > logical) {
      if (!start.startsWith(logical)) return;
      // Cut to what a physical key can hold; the head's own entry sorts after that.
      lower = (prefix + start.slice(logical.length)).slice(0, this.#direct);
    }
    let upper = nextPrefix(prefix);
    if (end.startsWith(logical)) {
      upper = prefix + end.slice(logical.length);
      if (upper.length > this.#direct) upper = `${upper.slice(0, this.#direct)}\x02`;
    } else if (end <= logical) return;
    const options = keysOnly ? KEYS_ONLY : undefined;
    for (const [physical, stored] of this.#kv.range(byteStringToBytes(lower), byteStringToBytes(upper), options)) {
      const key = bytesToByteString(physical);
      if (key.length > this.#direct) {
        const head = logical + key.slice(prefix.length, this.#direct);
        const id = keysOnly ? getSealed(this.#kv, physical)! : unseal(physical, stored);
        // A head whose keys all lie before the start or after the end costs one empty look.
        yield* this.#range(TAIL_KIND + idString(readId(bytesToByteString(id), 0)), start, end, head, keysOnly);
        continue;
      }
      const whole = logical + key.slice(prefix.length);
      if (whole < start || whole >= end) continue;
      yield [whole, keysOnly ? stored : unseal(physical, stored)];
    }
  }
}

function idString(id: number): ByteString {
  let s = '';
  let x = id;
  for (let i = 0; i < 8; i++) {
    s = String.fromCharCode(x % 256) + s;
    x = Math.floor(x / 256);
  }
  return s;
}

function readId(s: ByteString, at: number): number {
  let n = 0;
  for (let i = at; i < at + 8; i++) n = n * 256 + s.charCodeAt(i);
  return n;
}

/** The first string after all that start with `prefix`. */
function nextPrefix(prefix: ByteString): ByteString {
  let n = prefix.length;
  while (n > 0 && prefix.charCodeAt(n - 1) === 0xff) n--;
  return n === 0 ? '\xff\xff' : prefix.slice(0, n - 1) + String.fromCharCode(prefix.charCodeAt(n - 1) + 1);
}
