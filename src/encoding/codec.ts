import type { Reader } from './reader.ts';
import { decodeText, encodeText } from './text.ts';
import type { Writer } from './writer.ts';

/** How a value of one type is written, read and shown. */
export interface Codec<T> {
  readonly name: string;
  /** Least number of bytes a value takes; bounds the element counts of containers. */
  readonly length_min: number;
  encode(w: Writer, value: T): void;
  decode(r: Reader): T;
}

export type Decoded<C> = C extends Codec<infer T> ? T : never;

function scalar<T>(
  name: string,
  length_min: number,
  encode: (w: Writer, value: T) => void,
  decode: (r: Reader) => T,
): Codec<T> {
  return { name, length_min, encode, decode };
}

export const u8 = scalar<number>(
  'u8',
  1,
  (w, x) => w.u8(x),
  (r) => r.u8(),
);
export const s8 = scalar<number>(
  's8',
  1,
  (w, x) => w.s8(x),
  (r) => r.s8(),
);
export const bool = scalar<boolean>(
  'bool',
  1,
  (w, x) => w.bool(x),
  (r) => r.bool(),
);
export const u16 = scalar<number>(
  'u16',
  2,
  (w, x) => w.u16(x),
  (r) => r.u16(),
);
export const s16 = scalar<number>(
  's16',
  2,
  (w, x) => w.s16(x),
  (r) => r.s16(),
);
export const u32 = scalar<number>(
  'u32',
  4,
  (w, x) => w.u32(x),
  (r) => r.u32(),
);
export const s32 = scalar<number>(
  's32',
  4,
  (w, x) => w.s32(x),
  (r) => r.s32(),
);
/** 64-bit values of which every bit matters: features, cookies, ids, hashes. */
export const u64 = scalar<bigint>(
  'u64',
  8,
  (w, x) => w.u64(x),
  (r) => r.u64(),
);
export const s64 = scalar<bigint>(
  's64',
  8,
  (w, x) => w.s64(x),
  (r) => r.s64(),
);
/** 64-bit quantities that stay below 2^53 in honest use: sizes, offsets, counters, versions, pool ids. */
export const u64num = scalar<number>(
  'u64',
  8,
  (w, x) => w.u64num(x),
  (r) => r.u64num(),
);
export const s64num = scalar<number>(
  's64',
  8,
  (w, x) => w.s64num(x),
  (r) => r.s64num(),
);
export const f64 = scalar<number>(
  'f64',
  8,
  (w, x) => w.f64(x),
  (r) => r.f64(),
);
export const f32 = scalar<number>(
  'f32',
  4,
  (w, x) => w.f32(x),
  (r) => r.f32(),
);
export const string = scalar<string>(
  'string',
  4,
  (w, x) => w.string(x),
  (r) => r.string(),
);
/** A bufferlist; decodes to a view of the input. */
export const blob = scalar<Uint8Array>(
  'bufferlist',
  4,
  (w, x) => w.blob(x),
  (r) => r.blob(),
);

/** Exactly `length` bytes. */
export function bytes(length: number): Codec<Uint8Array> {
  return scalar<Uint8Array>(
    `bytes(${length})`,
    length,
    (w, x) => {
      if (x.length !== length) throw new RangeError(`bytes(${length}): given ${x.length}`);
      w.raw(x);
    },
    (r) => r.raw(length),
  );
}

/** Exactly `length` bytes holding text padded with zeros. */
export function fixedString(length: number): Codec<string> {
  return scalar<string>(
    `char[${length}]`,
    length,
    (w, s) => {
      const b = encodeText(s).subarray(0, length);
      w.raw(b);
      w.zeros(length - b.length);
    },
    (r) => {
      const b = r.raw(length);
      const end = b.indexOf(0);
      return decodeText(b, 0, end < 0 ? length : end);
    },
  );
}

/** std::vector, std::list, std::set: u32 count and the elements. */
export function list<T>(element: Codec<T>): Codec<T[]> {
  return {
    name: `list<${element.name}>`,
    length_min: 4,
    encode(w, values) {
      w.u32(values.length);
      for (const value of values) element.encode(w, value);
    },
    decode(r) {
      const n = r.count(element.length_min);
      const values: T[] = [];
      for (let i = 0; i < n; i++) values.push(element.decode(r));
      return values;
    },
  };
}

/** std::map: u32 count and key-value pairs, in the order the map holds them. See {@link sortedMap} where Ceph sorts. */
export function map<K, V>(key: Codec<K>, value: Codec<V>): Codec<Map<K, V>> {
  return sortedMap(key, value, undefined);
}

/** As {@link map}, written in the order of `compare`, as std::map does; needed where bytes are compared with Ceph's. */
export function sortedMap<K, V>(
  key: Codec<K>,
  value: Codec<V>,
  compare: ((a: K, b: K) => number) | undefined,
): Codec<Map<K, V>> {
  return {
    name: `map<${key.name}, ${value.name}>`,
    length_min: 4,
    encode(w, entries) {
      w.u32(entries.size);
      const ordered = compare === undefined ? entries : [...entries].sort((a, b) => compare(a[0], b[0]));
      for (const [k, v] of ordered) {
        key.encode(w, k);
        value.encode(w, v);
      }
    },
    decode(r) {
      const n = r.count(key.length_min + value.length_min);
      const entries = new Map<K, V>();
      for (let i = 0; i < n; i++) {
        const k = key.decode(r);
        entries.set(k, value.decode(r));
      }
      return entries;
    },
  };
}

export const byNumber = (a: number, b: number): number => a - b;
export const byBigint = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
/** Order of std::string for names that are ASCII; for arbitrary bytes compare the encoded form. */
export const byString = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** std::pair. */
export function pair<A, B>(first: Codec<A>, second: Codec<B>): Codec<[A, B]> {
  return {
    name: `pair<${first.name}, ${second.name}>`,
    length_min: first.length_min + second.length_min,
    encode(w, [a, b]) {
      first.encode(w, a);
      second.encode(w, b);
    },
    decode: (r) => [first.decode(r), second.decode(r)],
  };
}

/** std::optional / boost::optional: u8 flag, then the value where it is set. */
export function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    name: `optional<${inner.name}>`,
    length_min: 1,
    encode(w, value) {
      w.bool(value !== undefined);
      if (value !== undefined) inner.encode(w, value);
    },
    decode: (r) => (r.bool() ? inner.decode(r) : undefined),
  };
}

/** The same bytes under another TypeScript type. */
export function mapped<A, B>(inner: Codec<A>, name: string, into: (a: A) => B, outOf: (b: B) => A): Codec<B> {
  return {
    name,
    length_min: inner.length_min,
    encode: (w, value) => inner.encode(w, outOf(value)),
    decode: (r) => into(inner.decode(r)),
  };
}
