import type { Codec, Reader, Writer } from '../../encoding/index.ts';

/** object_stat_sum_t: sums over objects. All are counts or bytes; differences may be negative. */
export class ObjectStatSum {
  numBytes = 0;
  numObjects = 0;
  numObjectClones = 0;
  /** numObjects times the number of replicas. */
  numObjectCopies = 0;
  numObjectsMissingOnPrimary = 0;
  numObjectsDegraded = 0;
  numObjectsUnfound = 0;
  numRd = 0;
  numRdKb = 0;
  numWr = 0;
  numWrKb = 0;
  numScrubErrors = 0;
  numObjectsRecovered = 0;
  numBytesRecovered = 0;
  numKeysRecovered = 0;
  numShallowScrubErrors = 0;
  numDeepScrubErrors = 0;
  numObjectsDirty = 0;
  numWhiteouts = 0;
  numObjectsOmap = 0;
  numObjectsHitSetArchive = 0;
  numObjectsMisplaced = 0;
  numBytesHitSetArchive = 0;
  numFlush = 0;
  numFlushKb = 0;
  numEvict = 0;
  numEvictKb = 0;
  numPromote = 0;
  numFlushModeHigh = 0;
  numFlushModeLow = 0;
  numEvictModeSome = 0;
  numEvictModeFull = 0;
  numObjectsPinned = 0;
  numObjectsMissing = 0;
  numLegacySnapsets = 0;
  numLargeOmapObjects = 0;
  numObjectsManifest = 0;
  numOmapBytes = 0;
  numOmapKeys = 0;
  numObjectsRepaired = 0;

  copy(): ObjectStatSum {
    return Object.assign(new ObjectStatSum(), this);
  }

  add(other: ObjectStatSum): void {
    for (const k of SUM_FIELDS) this[k] += other[k];
  }

  sub(other: ObjectStatSum): void {
    for (const k of SUM_FIELDS) this[k] -= other[k];
  }

  /** Sets what is below `least` to it (object_stat_sum_t::floor). */
  floor(least: number): void {
    for (const k of SUM_FIELDS) if (this[k] < least) this[k] = least;
  }

  get isZero(): boolean {
    for (const k of SUM_FIELDS) if (this[k] !== 0) return false;
    return true;
  }
}

export type ObjectStatField = {
  [K in keyof ObjectStatSum]: ObjectStatSum[K] extends number ? K : never;
}[keyof ObjectStatSum];

/** The fields in the order of the wire. */
export const SUM_FIELDS: readonly ObjectStatField[] = Object.keys(new ObjectStatSum()) as ObjectStatField[];

function encodeSum(w: Writer, s: ObjectStatSum): void {
  const token = w.structStart(20, 14);
  w.s64num(s.numBytes);
  w.s64num(s.numObjects);
  w.s64num(s.numObjectClones);
  w.s64num(s.numObjectCopies);
  w.s64num(s.numObjectsMissingOnPrimary);
  w.s64num(s.numObjectsDegraded);
  w.s64num(s.numObjectsUnfound);
  w.s64num(s.numRd);
  w.s64num(s.numRdKb);
  w.s64num(s.numWr);
  w.s64num(s.numWrKb);
  w.s64num(s.numScrubErrors);
  w.s64num(s.numObjectsRecovered);
  w.s64num(s.numBytesRecovered);
  w.s64num(s.numKeysRecovered);
  w.s64num(s.numShallowScrubErrors);
  w.s64num(s.numDeepScrubErrors);
  w.s64num(s.numObjectsDirty);
  w.s64num(s.numWhiteouts);
  w.s64num(s.numObjectsOmap);
  w.s64num(s.numObjectsHitSetArchive);
  w.s64num(s.numObjectsMisplaced);
  w.s64num(s.numBytesHitSetArchive);
  w.s64num(s.numFlush);
  w.s64num(s.numFlushKb);
  w.s64num(s.numEvict);
  w.s64num(s.numEvictKb);
  w.s64num(s.numPromote);
  w.s32(s.numFlushModeHigh);
  w.s32(s.numFlushModeLow);
  w.s32(s.numEvictModeSome);
  w.s32(s.numEvictModeFull);
  w.s64num(s.numObjectsPinned);
  w.s64num(s.numObjectsMissing);
  w.s64num(s.numLegacySnapsets);
  w.s64num(s.numLargeOmapObjects);
  w.s64num(s.numObjectsManifest);
  w.s64num(s.numOmapBytes);
  w.s64num(s.numOmapKeys);
  w.s64num(s.numObjectsRepaired);
  w.structEnd(token);
}

function decodeSum(r: Reader): ObjectStatSum {
  const s = new ObjectStatSum();
  readObjectStatSum(r, s);
  return s;
}

/** Reads an object_stat_sum_t into `s`. */
export function readObjectStatSum(r: Reader, s: ObjectStatSum): void {
  const frame = r.structStart(20);
  const v = frame.version;
  s.numBytes = r.s64num();
  s.numObjects = r.s64num();
  s.numObjectClones = r.s64num();
  s.numObjectCopies = r.s64num();
  s.numObjectsMissingOnPrimary = r.s64num();
  s.numObjectsDegraded = r.s64num();
  s.numObjectsUnfound = r.s64num();
  s.numRd = r.s64num();
  s.numRdKb = r.s64num();
  s.numWr = r.s64num();
  s.numWrKb = r.s64num();
  s.numScrubErrors = r.s64num();
  s.numObjectsRecovered = r.s64num();
  s.numBytesRecovered = r.s64num();
  s.numKeysRecovered = r.s64num();
  s.numShallowScrubErrors = r.s64num();
  s.numDeepScrubErrors = r.s64num();
  s.numObjectsDirty = r.s64num();
  s.numWhiteouts = r.s64num();
  s.numObjectsOmap = r.s64num();
  s.numObjectsHitSetArchive = r.s64num();
  s.numObjectsMisplaced = r.s64num();
  s.numBytesHitSetArchive = r.s64num();
  s.numFlush = r.s64num();
  s.numFlushKb = r.s64num();
  s.numEvict = r.s64num();
  s.numEvictKb = r.s64num();
  s.numPromote = r.s64num();
  s.numFlushModeHigh = r.s32();
  s.numFlushModeLow = r.s32();
  s.numEvictModeSome = r.s32();
  s.numEvictModeFull = r.s32();
  s.numObjectsPinned = r.s64num();
  s.numObjectsMissing = r.s64num();
  s.numLegacySnapsets = v >= 16 ? r.s64num() : s.numObjectClones;
  if (v >= 17) s.numLargeOmapObjects = r.s64num();
  if (v >= 18) s.numObjectsManifest = r.s64num();
  if (v >= 19) {
    s.numOmapBytes = r.s64num();
    s.numOmapKeys = r.s64num();
  }
  if (v >= 20) s.numObjectsRepaired = r.s64num();
  r.structEnd(frame);
}

export const objectStatSum: Codec<ObjectStatSum> = {
  name: 'object_stat_sum_t',
  length_min: 6,
  encode: encodeSum,
  decode: decodeSum,
};

/** object_stat_collection_t: the sum (what once were sums by category travels as an empty map). */
export const objectStatCollection: Codec<ObjectStatSum> = {
  name: 'object_stat_collection_t',
  length_min: 6,
  encode(w, sum) {
    const token = w.structStart(2, 2);
    encodeSum(w, sum);
    w.u32(0);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(2);
    const sum = decodeSum(r);
    r.structEnd(frame);
    return sum;
  },
};
