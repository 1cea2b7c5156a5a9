import { type Codec, plain, s16, u64num } from '../encoding/index.ts';

/** Bytes to the end of the front: for a map that its own codec reads. */
export const rest: Codec<Uint8Array> = {
  name: 'rest',
  length_min: 0,
  encode: (w, x) => w.raw(x),
  decode: (r) => r.raw(r.remaining),
};

/** A versioned struct (u8, u8, u32 length) as the bytes it is, header included. */
export const structBytes: Codec<Uint8Array> = {
  name: 'struct',
  length_min: 6,
  encode: (w, x) => w.raw(x),
  decode(r) {
    const start = r.offset;
    r.need(6);
    r.skip(2);
    r.skip(r.u32());
    return r.buffer.subarray(start, r.offset);
  },
};

/** A field that need not be there at the end of a message: absent, it is `otherwise`. */
export function trailing<T>(inner: Codec<T>, otherwise: () => T): Codec<T> {
  return {
    name: inner.name,
    length_min: 0,
    encode: (w, x) => inner.encode(w, x),
    decode: (r) => (r.remaining === 0 ? otherwise() : inner.decode(r)),
  };
}

/** `count` bytes that mean nothing, written as zeros. */
export function reserved(count: number): Codec<undefined> {
  return {
    name: 'reserved',
    length_min: count,
    encode: (w) => w.zeros(count),
    decode(r) {
      r.skip(count);
      return undefined;
    },
  };
}

const header = plain('PaxosServiceMessage', { version: u64num, sessionMon: s16, sessionMonTid: u64num });

/**
 * What messages to the monitor's services begin with: the version of the service's map that the sender has, and two fields no longer used.
 */
export const paxosVersion: Codec<number> = {
  name: 'PaxosServiceMessage',
  length_min: 18,
  encode: (w, version) => header.encode(w, { version, sessionMon: -1, sessionMonTid: 0 }),
  decode: (r) => header.decode(r).version,
};

/** Default of the field {@link paxosVersion}. */
export const paxos = { paxosVersion: 0 } as const;
