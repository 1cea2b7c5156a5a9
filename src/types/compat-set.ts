import { byNumber, type Codec, plain, sortedMap, string, u64, u64num } from '../encoding/index.ts';

/** One third of a {@link CompatSet}: feature ids (1 to 63) and their names. */
export type FeatureSet = Map<number, string>;

/** CompatSet: what a program must know to read or write a store or map of daemons. */
export interface CompatSet {
  /** Missing ones do not matter. */
  compat: FeatureSet;
  /** Missing ones forbid writing. */
  roCompat: FeatureSet;
  /** Missing ones forbid reading. */
  incompat: FeatureSet;
}

export function makeCompatSet(
  incompat: Iterable<readonly [number, string]> = [],
  roCompat: Iterable<readonly [number, string]> = [],
  compat: Iterable<readonly [number, string]> = [],
): CompatSet {
  return { compat: new Map(compat), roCompat: new Map(roCompat), incompat: new Map(incompat) };
}

const wire = plain('CompatSet::FeatureSet', { mask: u64, names: sortedMap(u64num, string, byNumber) });

const featureSet: Codec<FeatureSet> = {
  name: wire.name,
  length_min: wire.length_min,
  encode(w, names) {
    let mask = 0n;
    for (const id of names.keys()) mask |= 1n << BigInt(id);
    wire.encode(w, { mask, names });
  },
  // The mask repeats what the names say (and was once written wrong), so the names alone are kept.
  decode: (r) => wire.decode(r).names,
};

export const compatSet: Codec<CompatSet> = plain('CompatSet', {
  compat: featureSet,
  roCompat: featureSet,
  incompat: featureSet,
});

function covers(mine: FeatureSet, theirs: FeatureSet): boolean {
  for (const id of theirs.keys()) if (!mine.has(id)) return false;
  return true;
}

/** True where a program with `mine` can read what needs `theirs`. */
export function compatReadable(mine: CompatSet, theirs: CompatSet): boolean {
  return covers(mine.incompat, theirs.incompat);
}

/** True where a program with `mine` can write what needs `theirs`. */
export function compatWriteable(mine: CompatSet, theirs: CompatSet): boolean {
  return compatReadable(mine, theirs) && covers(mine.roCompat, theirs.roCompat);
}

/** 0 equal, 1 `mine` has strictly more, -1 it lacks something. */
export function compareCompatSet(mine: CompatSet, theirs: CompatSet): number {
  const superset = compatWriteable(mine, theirs) && covers(mine.compat, theirs.compat);
  if (!superset) return -1;
  return compatWriteable(theirs, mine) && covers(theirs.compat, mine.compat) ? 0 : 1;
}

/** What `theirs` has and `mine` lacks. */
export function compatUnsupported(mine: CompatSet, theirs: CompatSet): CompatSet {
  const missing = (a: FeatureSet, b: FeatureSet): FeatureSet => new Map([...b].filter(([id]) => !a.has(id)));
  return {
    compat: missing(mine.compat, theirs.compat),
    roCompat: missing(mine.roCompat, theirs.roCompat),
    incompat: missing(mine.incompat, theirs.incompat),
  };
}

function formatFeatureSet(names: FeatureSet): string {
  const parts = [...names].sort((a, b) => a[0] - b[0]).map(([id, name]) => `${id}=${name}`);
  return `{${parts.join(',')}}`;
}

/** `compat={},rocompat={},incompat={1=base v0.20,...}` */
export function formatCompatSet(set: CompatSet): string {
  return `compat=${formatFeatureSet(set.compat)},rocompat=${formatFeatureSet(set.roCompat)},incompat=${formatFeatureSet(set.incompat)}`;
}
