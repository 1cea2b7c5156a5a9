import { feature } from './features.ts';

/** CEPH_RELEASE_*: releases by number, oldest first; 0 is unknown. */
export const releaseNames = [
  'unknown',
  'argonaut',
  'bobtail',
  'cuttlefish',
  'dumpling',
  'emperor',
  'firefly',
  'giant',
  'hammer',
  'infernalis',
  'jewel',
  'kraken',
  'luminous',
  'mimic',
  'nautilus',
  'octopus',
  'pacific',
] as const;

export const release = {
  UNKNOWN: 0,
  ARGONAUT: 1,
  BOBTAIL: 2,
  CUTTLEFISH: 3,
  DUMPLING: 4,
  EMPEROR: 5,
  FIREFLY: 6,
  GIANT: 7,
  HAMMER: 8,
  INFERNALIS: 9,
  JEWEL: 10,
  KRAKEN: 11,
  LUMINOUS: 12,
  MIMIC: 13,
  NAUTILUS: 14,
  OCTOPUS: 15,
  PACIFIC: 16,
  REEF: 18,
} as const;

/** One past the newest release known: CEPH_RELEASE_MAX. */
export const RELEASE_MAX = releaseNames.length;

/** Releases after those that a cluster of ours can require: their maps are read, their clients asked for. */
const LATER: Readonly<Record<number, string>> = { 17: 'quincy', 18: 'reef', 19: 'squid', 20: 'tentacle' };

/** `pacific` for 16; `unknown` for what is not known. */
export function releaseName(r: number): string {
  return releaseNames[r] ?? LATER[r] ?? 'unknown';
}

/** Number of a release by name; 0 where there is none. */
export function releaseFromName(name: string): number {
  return Math.max(0, releaseNames.indexOf(name as (typeof releaseNames)[number]));
}

/** Client-visible features that every client of release `r` has (ceph_release_features). */
export function releaseFeatures(r: number): bigint {
  let need = feature.CRUSH_TUNABLES;
  if (r > release.CUTTLEFISH) need |= feature.CRUSH_TUNABLES2 | feature.OSDHASHPSPOOL;
  if (r > release.EMPEROR) need |= feature.CRUSH_TUNABLES3 | feature.OSD_PRIMARY_AFFINITY | feature.OSD_CACHEPOOL;
  if (r > release.GIANT) need |= feature.CRUSH_V4;
  if (r > release.INFERNALIS) need |= feature.CRUSH_TUNABLES5;
  if (r > release.JEWEL) need |= feature.MSG_ADDR2;
  if (r > release.KRAKEN) need |= feature.CRUSH_CHOOSE_ARGS;
  return need;
}

/** The first release whose clients look like one with these features (ceph_release_from_features). */
export function releaseFromFeatures(features: bigint): number {
  let r = 1;
  while (r < RELEASE_MAX && (releaseFeatures(r) & features) === releaseFeatures(r)) r++;
  r--;
  const need = releaseFeatures(r);
  while (r > 1 && releaseFeatures(r - 1) === need) r--;
  return r;
}
