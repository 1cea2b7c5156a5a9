import { type CrushMap, crushNeeds, DEFAULT_CHOOSE_ARGS, ruleOp } from '../../crush/index.ts';
import { entityType } from '../entity-name.ts';
import { CEPH_FEATURES_CRUSH, feature, hasFeature } from '../features.ts';
import { poolFlag } from '../pool/index.ts';
import { release } from '../release.ts';
import { PRIMARY_AFFINITY_DEFAULT } from './flags.ts';
import type { OSDMap } from './osdmap.ts';
import { poolRule } from './placement.ts';

/** Features that a reader of the CRUSH map's tunables, buckets and choose_args needs. */
export function crushFeatures(crush: CrushMap): bigint {
  const needs = crushNeeds(crush);
  let f = 0n;
  if (needs.tunables) f |= feature.CRUSH_TUNABLES;
  if (needs.tunables2) f |= feature.CRUSH_TUNABLES2;
  if (needs.tunables3) f |= feature.CRUSH_TUNABLES3;
  if (needs.tunables5) f |= feature.CRUSH_TUNABLES5;
  if (needs.v4Buckets) f |= feature.CRUSH_V4;
  if (hasIncompatChooseArgs(crush)) f |= feature.CRUSH_CHOOSE_ARGS;
  return f;
}

/** One weight set for all pools can be shown to old clients as the weights themselves; anything more cannot. */
function hasIncompatChooseArgs(crush: CrushMap): boolean {
  if (crush.chooseArgs.size === 0) return false;
  const compat = crush.chooseArgs.get(DEFAULT_CHOOSE_ARGS);
  if (crush.chooseArgs.size > 1 || compat === undefined) return true;
  for (const arg of compat.values()) {
    if (arg.weightSet.length === 0 && arg.ids.length === 0) continue;
    if (arg.weightSet.length !== 1 || arg.ids.length !== 0) return true;
  }
  return false;
}

function ruleFeatures(crush: CrushMap, rule: number): bigint {
  let f = 0n;
  for (const { op } of crush.rules[rule]?.steps ?? []) {
    if (op === ruleOp.SET_CHOOSELEAF_VARY_R) f |= feature.CRUSH_TUNABLES3;
    else if (op === ruleOp.SET_CHOOSELEAF_STABLE) f |= feature.CRUSH_TUNABLES5;
    else if (
      op === ruleOp.CHOOSE_INDEP ||
      op === ruleOp.CHOOSELEAF_INDEP ||
      op === ruleOp.SET_CHOOSE_TRIES ||
      op === ruleOp.SET_CHOOSELEAF_TRIES
    ) {
      f |= feature.CRUSH_V2;
    }
  }
  return f;
}

/** Features that a peer of `type` (entityType) must have to use this map, and the mask of those that maps may ask for. */
export function osdMapFeatures(map: OSDMap, type: number): { features: bigint; mask: bigint } {
  let features = crushFeatures(map.crush);
  let mask = CEPH_FEATURES_CRUSH | feature.OSDMAP_PG_UPMAP | feature.OSDHASHPSPOOL | feature.OSD_CACHEPOOL;
  mask |= feature.OSD_PRIMARY_AFFINITY | feature.CEPHX_V2;
  if (map.pgUpmap.size > 0 || map.pgUpmapItems.size > 0) features |= feature.OSDMAP_PG_UPMAP;
  if (map.pgUpmapPrimaries.size > 0) {
    features |= feature.SERVER_REEF;
    mask |= feature.SERVER_REEF;
  }
  for (const pool of map.pools.values()) {
    if (pool.hasFlag(poolFlag.HASHPSPOOL)) features |= feature.OSDHASHPSPOOL;
    if (pool.tiers.length > 0 || pool.isTier) features |= feature.OSD_CACHEPOOL;
    features |= ruleFeatures(map.crush, poolRule(map.crush, pool));
  }
  if (map.primaryAffinity.some((a) => a !== PRIMARY_AFFINITY_DEFAULT)) features |= feature.OSD_PRIMARY_AFFINITY;
  const isOsd = type === entityType.OSD;
  if (isOsd) {
    const kraken = feature.SERVER_KRAKEN | feature.MSG_ADDR2;
    mask |= feature.SERVER_JEWEL | kraken;
    if (map.requireOsdRelease >= release.JEWEL) features |= feature.SERVER_JEWEL;
    if (map.requireOsdRelease >= release.KRAKEN) features |= kraken;
    if (map.stretchModeEnabled) {
      features |= feature.STRETCH_MODE;
      mask |= feature.STRETCH_MODE;
    }
  }
  // Signatures of the second version are asked of OSDs first, and of all once all clients can.
  const signatures = isOsd ? map.requireOsdRelease : 0;
  if (map.requireMinCompatClient >= release.NAUTILUS || signatures >= release.NAUTILUS) features |= feature.CEPHX_V2;
  return { features, mask };
}

/** The oldest release whose clients can use this map. */
export function minCompatClient(map: OSDMap): number {
  const { features } = osdMapFeatures(map, entityType.CLIENT);
  const has = (mask: bigint): boolean => hasFeature(features, mask);
  if (has(feature.SERVER_REEF)) return release.REEF;
  if (has(feature.OSDMAP_PG_UPMAP) || has(feature.CRUSH_CHOOSE_ARGS)) return release.LUMINOUS;
  if (has(feature.CRUSH_TUNABLES5)) return release.JEWEL;
  if (has(feature.CRUSH_V4)) return release.HAMMER;
  if (has(feature.OSD_PRIMARY_AFFINITY) || has(feature.OSD_CACHEPOOL)) return release.FIREFLY;
  if (has(feature.CRUSH_TUNABLES2) || has(feature.OSDHASHPSPOOL)) return release.DUMPLING;
  return release.ARGONAUT;
}
