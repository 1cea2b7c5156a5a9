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
export { hierarchyProblem } from './check.ts';
export {
  getOrCreateClass,
  populateShadows,
  rebuildShadows,
  removeClass,
  removeDeviceClass,
  renameClass,
  rulesUsingClass,
  setDeviceClass,
  setSubtreeClass,
} from './classes.ts';
export { crushMapCodec, decodeCrushMap, encodeCrushMap } from './codec.ts';
export { CrushCompileError, CrushSyntaxError, compileCrushMap } from './compile.ts';
export { decompileCrushMap } from './decompile.ts';
export {
  type CrushNeeds,
  crushNeeds,
  type DumpSink,
  dumpChooseArgs,
  dumpCrushMap,
  dumpItemFields,
  dumpNestedTree,
  dumpRule,
  dumpRules,
  dumpTree,
  dumpTunables,
  minRequiredVersion,
} from './dump.ts';
export { crushHash1, crushHash2, crushHash3, crushHash4, crushHash5, HASH_RJENKINS1, hashName } from './hash.ts';
export { DEFAULT_TYPES, initialCrushMap } from './initial.ts';
export {
  addBucket,
  addNamedBucket,
  bucketInUse,
  convertStrawBuckets,
  createOrMoveItem,
  defaultBucketAlg,
  detachBucket,
  insertItem,
  linkBucket,
  moveBucket,
  parseLocation,
  removeItem,
  removeItemUnder,
  renameBucket,
  renameItem,
  swapBucket,
  updateItem,
} from './items.ts';
export {
  type ChooseArg,
  CrushMap,
  DEFAULT_CHOOSE_ARGS,
  ITEM_NONE,
  isValidName,
  type Rule,
  type RuleStep,
  ruleOp,
  ruleType,
  type Tunables,
  type TunablesProfile,
} from './map.ts';
export { type DeviceWeights, deviceBit, doRule, Mapper, mapperOf } from './mapper.ts';
export {
  type CrushLocation,
  childrenOfType,
  findNonshadowRoots,
  findRoots,
  findRule,
  findShadowRoots,
  firstRuleset,
  fullLocation,
  isLinked,
  itemWeight,
  leavesOf,
  parentOf,
  parentOfType,
  splitIdClass,
  subtreeContains,
  takesOfRule,
  weightAtLocation,
} from './query.ts';
export { type ReclassifyBucket, reclassify } from './reclassify.ts';
export { addErasureRule, addRule, addSimpleRule, removeRule, renameRule, type SimpleRule } from './rules.ts';
export { formatTreeWeight, type TreeItem, type TreeOptions, treeTable, walkTree, weightSetsOf } from './tree.ts';
export {
  adjustItemWeight,
  adjustItemWeightAt,
  adjustItemWeightInBucket,
  adjustSubtreeWeight,
  adjustWeightSet,
  createWeightSet,
  removeWeightSet,
  reweightAll,
  weightFromFixed,
  weightToFixed,
} from './weights.ts';
