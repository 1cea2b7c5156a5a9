import { type Codec, type StructOf, struct, u64 } from '../encoding/index.ts';
import { releaseNames } from './release.ts';

/** Features of monitors among themselves (ceph::features::mon), kept in the MonMap. */
export const monFeature = {
  KRAKEN: 1n << 0n,
  LUMINOUS: 1n << 1n,
  MIMIC: 1n << 2n,
  OSDMAP_PRUNE: 1n << 3n,
  NAUTILUS: 1n << 4n,
  OCTOPUS: 1n << 5n,
  PACIFIC: 1n << 6n,
  PINGING: 1n << 7n,
  RESERVED: 1n << 63n,
  NONE: 0n,
} as const;

/** All that a Pacific monitor supports; all of it is persistent, once a quorum has it. */
export const MON_FEATURES_SUPPORTED =
  monFeature.KRAKEN |
  monFeature.LUMINOUS |
  monFeature.MIMIC |
  monFeature.OSDMAP_PRUNE |
  monFeature.NAUTILUS |
  monFeature.OCTOPUS |
  monFeature.PACIFIC |
  monFeature.PINGING;
export const MON_FEATURES_PERSISTENT = MON_FEATURES_SUPPORTED;
export const MON_FEATURES_OPTIONAL = monFeature.OSDMAP_PRUNE;

const NAMES: ReadonlyMap<bigint, string> = new Map([
  [monFeature.KRAKEN, 'kraken'],
  [monFeature.LUMINOUS, 'luminous'],
  [monFeature.MIMIC, 'mimic'],
  [monFeature.OSDMAP_PRUNE, 'osdmap-prune'],
  [monFeature.NAUTILUS, 'nautilus'],
  [monFeature.OCTOPUS, 'octopus'],
  [monFeature.PACIFIC, 'pacific'],
  [monFeature.PINGING, 'elector-pinging'],
  [monFeature.RESERVED, 'reserved'],
]);

/** Name of one feature bit; `unknown` otherwise. */
export function monFeatureName(bit: bigint): string {
  return NAMES.get(bit) ?? 'unknown';
}

/** The bit called `name`, or 0. Ceph's parser knows elector-pinging only as feature-pinging. */
export function monFeatureFromName(name: string): bigint {
  if (name === 'feature-pinging') return monFeature.PINGING;
  for (const [bit, known] of NAMES) if (known === name && bit !== monFeature.PINGING) return bit;
  return 0n;
}

/** Names of the bits set, lowest first; with `withValue` as `pacific(64)`. */
export function monFeatureNames(features: bigint, withValue = false): string[] {
  const names: string[] = [];
  for (let bit = 1n; bit <= features && bit < 1n << 64n; bit <<= 1n) {
    if ((features & bit) !== 0n) names.push(withValue ? `${monFeatureName(bit)}(${bit})` : monFeatureName(bit));
  }
  return names;
}

const wire = struct('mon_feature_t', { version: 1, compat: 1 }, { features: u64 });

/** mon_feature_t, as its bits. */
export const monFeatureSet: Codec<bigint> = {
  name: 'mon_feature_t',
  length_min: wire.length_min,
  encode: (w, features) => wire.encode(w, { features } satisfies StructOf<{ features: typeof u64 }>),
  decode: (r) => wire.decode(r).features,
};

/** Release that monitors with these features are at least of (infer_ceph_release_from_mon_features); 0 if before Kraken. */
export function releaseFromMonFeatures(features: bigint): number {
  const ladder: readonly (readonly [bigint, (typeof releaseNames)[number]])[] = [
    [monFeature.PACIFIC, 'pacific'],
    [monFeature.OCTOPUS, 'octopus'],
    [monFeature.NAUTILUS, 'nautilus'],
    [monFeature.MIMIC, 'mimic'],
    [monFeature.LUMINOUS, 'luminous'],
    [monFeature.KRAKEN, 'kraken'],
  ];
  for (const [bit, name] of ladder) if ((features & bit) !== 0n) return releaseNames.indexOf(name);
  return 0;
}
