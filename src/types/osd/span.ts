import type { Codec } from '../../encoding/index.ts';

const NS = 1_000_000_000;

/** A span of time (std::chrono::duration), in nanoseconds, which may be negative: s32 seconds and s32 nanoseconds on the wire. */
export const span_ns: Codec<number> = {
  name: 'duration',
  length_min: 8,
  encode(w, ns) {
    const sec = Math.trunc(ns / NS);
    w.s32(sec);
    w.s32(ns - sec * NS);
  },
  decode(r) {
    const sec = r.s32();
    return sec * NS + r.s32();
  },
};
