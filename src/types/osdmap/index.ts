export {
  type EncodedMap,
  OSDMAP_ENCODE_FEATURES_MIN,
  OSDMAP_SIGNIFICANT_FEATURES,
  osdMapEncodingFeatures,
} from './codec.ts';
export { MAX_OSD_MAX, type OSDMapFields } from './data.ts';
export * from './dump.ts';
export * from './features.ts';
export {
  type Blocklist,
  type BlocklistEntry,
  type ErasureProfiles,
  sortedBlocklist,
  type UpmapItem,
} from './fields.ts';
export * from './flags.ts';
export { dumpHealthChecks, type OSDMapHealthOptions, osdMapChecks } from './health.ts';
export { OSDMapIncremental, RATIO_UNCHANGED, RELEASE_UNCHANGED } from './incremental.ts';
export { decodeOSDMapIncremental, encodeOSDMapIncremental, OSDMap, sealIncremental } from './osdmap.ts';
export { PG_TABLE_PGS_MAX, PgTable, type PgTableWork } from './pg-table.ts';
export {
  CRUSH_ITEM_NONE,
  type PgMapping,
  type PoolPlacement,
  pgMappingNone,
  pickPrimary,
  placementSeed,
  poolRule,
} from './placement.ts';
export { type OsdInfo, type OsdXinfo, osdInfo, osdInfoNone, osdXinfo, osdXinfoNone } from './records.ts';
export { RuleView } from './rule-view.ts';
export * from './tree.ts';
export { printOrderBlocklist } from './unordered.ts';
export { type BalanceOptions, balancePgUpmaps, cleanPgUpmaps } from './upmap.ts';
