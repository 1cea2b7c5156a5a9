import type { Codec } from '../../encoding/index.ts';
import { IntervalSet } from '../interval-set.ts';

const TWO_32 = 0x1_0000_0000;
const TWO_53 = 2 ** 53;
const MAX = 2n ** 64n - 1n;

/**
 * interval_set<uint64_t>: byte ranges of an object. A range that goes to the end of all offsets (2^64 - 1), as clean regions and pulls of unknown
 * size have it, is one of infinite length here, so that nothing is rounded.
 */
export const extentSet: Codec<IntervalSet> = {
  name: 'interval_set<uint64_t>',
  length_min: 4,
  encode(w, set) {
    w.u32(set.rangeCount);
    for (const [start, length] of set.ranges()) {
      w.u64num(start);
      if (length < TWO_53) w.u64num(length);
      else w.u64(MAX - BigInt(start));
    }
  },
  decode(r) {
    const n = r.count(16);
    if (n === 0) return IntervalSet.empty;
    const ranges: number[] = [];
    let end = 0;
    for (let i = 0; i < n; i++) {
      const start = r.u64num();
      const low = r.u32();
      const high = r.u32();
      const length = high >= 0x20_0000 ? Number.POSITIVE_INFINITY : high * TWO_32 + low;
      if (start < end || start >= TWO_53) r.fail('ranges out of order');
      end = start + length;
      ranges.push(start, length);
    }
    return IntervalSet.fromOrdered(ranges);
  },
};

/** All offsets: [0, 2^64 - 1). */
export const extentsAll: IntervalSet = IntervalSet.fromOrdered([0, Number.POSITIVE_INFINITY]);
