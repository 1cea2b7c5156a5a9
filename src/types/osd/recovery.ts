import { blob, bool, type Codec, list, since, sortedMap, string, struct, u64num } from '../../encoding/index.ts';
import { IntervalSet } from '../interval-set.ts';
import { type Eversion, eversion, eversionZero } from './eversion.ts';
import { extentSet } from './extents.ts';
import { type Hobject, hobject } from './hobject.ts';
import { makeObjectInfo, type ObjectInfo, objectInfo, type SnapSet, snapSet, snapSetNone } from './object-info.ts';
import { pairs } from './perf.ts';
import { compareText } from './text-order.ts';

/** ObjectRecoveryInfo: what an object to recover is to become. */
export interface ObjectRecoveryInfo {
  soid: Hobject;
  version: Eversion;
  /** 2^64 - 1 (as a double 2^64) where it is not known. */
  size: number;
  oi: ObjectInfo;
  ss: SnapSet;
  /** Ranges to copy. */
  copySubset: IntervalSet;
  /** Clone that is there -> ranges it shares; in order. */
  cloneSubset: [clone: Hobject, ranges: IntervalSet][];
  /** Whether the target has a version of the object, which is changed in place. */
  objectExist: boolean;
}

export const objectRecoveryInfo: Codec<ObjectRecoveryInfo> = struct(
  'ObjectRecoveryInfo',
  { version: 3, compat: 1 },
  {
    soid: hobject,
    version: eversion,
    size: u64num,
    oi: objectInfo,
    ss: snapSet,
    copySubset: extentSet,
    cloneSubset: pairs(hobject, extentSet),
    objectExist: since(3, bool, () => false),
  },
);

export function makeObjectRecoveryInfo(soid: Hobject): ObjectRecoveryInfo {
  return {
    soid,
    version: eversionZero,
    size: 2 ** 64,
    oi: makeObjectInfo(soid),
    ss: snapSetNone,
    copySubset: IntervalSet.empty,
    cloneSubset: [],
    objectExist: false,
  };
}

/** ObjectRecoveryProgress: how far a recovery has come. */
export interface ObjectRecoveryProgress {
  first: boolean;
  dataComplete: boolean;
  dataRecoveredTo: number;
  omapRecoveredTo: string;
  omapComplete: boolean;
}

export const objectRecoveryProgress: Codec<ObjectRecoveryProgress> = struct(
  'ObjectRecoveryProgress',
  { version: 1, compat: 1 },
  { first: bool, dataComplete: bool, dataRecoveredTo: u64num, omapRecoveredTo: string, omapComplete: bool },
);

export function makeObjectRecoveryProgress(): ObjectRecoveryProgress {
  return { first: true, dataComplete: false, dataRecoveredTo: 0, omapRecoveredTo: '', omapComplete: false };
}

/** Named bytes: xattrs, omap entries. */
export const namedBytes: Codec<Map<string, Uint8Array>> = sortedMap(string, blob, compareText);

/** PushOp: a piece of an object for the OSD that lacks it. */
export interface PushOp {
  soid: Hobject;
  version: Eversion;
  /** Bytes of dataIncluded, one range after another. */
  data: Uint8Array;
  dataIncluded: IntervalSet;
  omapHeader: Uint8Array;
  omapEntries: Map<string, Uint8Array>;
  attrs: Map<string, Uint8Array>;
  recoveryInfo: ObjectRecoveryInfo;
  afterProgress: ObjectRecoveryProgress;
  beforeProgress: ObjectRecoveryProgress;
}

export const pushOp: Codec<PushOp> = struct(
  'PushOp',
  { version: 1, compat: 1 },
  {
    soid: hobject,
    version: eversion,
    data: blob,
    dataIncluded: extentSet,
    omapHeader: blob,
    omapEntries: namedBytes,
    attrs: namedBytes,
    recoveryInfo: objectRecoveryInfo,
    afterProgress: objectRecoveryProgress,
    beforeProgress: objectRecoveryProgress,
  },
);

/** PullOp: asks for a piece of an object. */
export interface PullOp {
  soid: Hobject;
  recoveryInfo: ObjectRecoveryInfo;
  recoveryProgress: ObjectRecoveryProgress;
}

export const pullOp: Codec<PullOp> = struct(
  'PullOp',
  { version: 1, compat: 1 },
  { soid: hobject, recoveryInfo: objectRecoveryInfo, recoveryProgress: objectRecoveryProgress },
);

/** PushReplyOp: a piece arrived and is durable. */
export const pushReplyOp: Codec<{ soid: Hobject }> = struct(
  'PushReplyOp',
  { version: 1, compat: 1 },
  { soid: hobject },
);

export const pushOps: Codec<PushOp[]> = list(pushOp);
export const pullOps: Codec<PullOp[]> = list(pullOp);
export const pushReplyOps: Codec<{ soid: Hobject }[]> = list(pushReplyOp);
