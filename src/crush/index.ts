export {
  algByName,
  algName,
  type Bucket,
  type BucketAlg,
  bucketAlg,
  itemWeightAt,
  type ListBucket,
  type Straw2Bucket,
  type StrawBucket,
  type TreeBucket,
  type UniformBucket,
} from './bucket.ts';
export { crushMapCodec, decodeCrushMap, encodeCrushMap } from './codec.ts';
export { crushHash1, crushHash2, crushHash3, crushHash4, crushHash5, HASH_RJENKINS1, hashName } from './hash.ts';
export {
  type ChooseArg,
  CrushMap,
  DEFAULT_CHOOSE_ARGS,
  ITEM_NONE,
  type Rule,
  type RuleStep,
  ruleOp,
  ruleType,
  type Tunables,
  type TunablesProfile,
} from './map.ts';
export { type DeviceWeights, doRule, Mapper, mapperOf } from './mapper.ts';
