import {
  blob,
  bool,
  byNumber,
  type Codec,
  decodeFromBytes,
  encodeToBytes,
  list,
  s32,
  since,
  sortedMap,
  string,
  struct,
  u32,
  u64num,
} from '../../encoding/index.ts';
import { type CompatSet, compatSet } from '../compat-set.ts';
import { type MdsInfo, type MdsMap, mdsCompatDefault, mdsInfo, mdsMap } from './mds-map.ts';

/** A peer that a file system is mirrored to. */
export interface MirrorPeer {
  readonly uuid: string;
  readonly clientName: string;
  readonly clusterName: string;
  readonly fsName: string;
}

export interface MirrorInfo {
  readonly mirrored: boolean;
  readonly peers: readonly MirrorPeer[];
}

const clusterInfo = struct(
  'ClusterInfo',
  { version: 1, compat: 1 },
  { clientName: string, clusterName: string, fsName: string },
);
const peerWire = struct('Peer', { version: 1, compat: 1 }, { uuid: string, remote: clusterInfo });
const peer: Codec<MirrorPeer> = {
  name: 'Peer',
  length_min: peerWire.length_min,
  encode: (w, { uuid, ...remote }) => peerWire.encode(w, { uuid, remote }),
  decode: (r) => {
    const { uuid, remote } = peerWire.decode(r);
    return { uuid, ...remote };
  },
};
const mirrorInfo: Codec<MirrorInfo> = struct(
  'MirrorInfo',
  { version: 1, compat: 1 },
  { mirrored: bool, peers: list(peer) as Codec<readonly MirrorPeer[]> },
);
const notMirrored: MirrorInfo = { mirrored: false, peers: [] };

/** One file system of an {@link FsMap}. */
export interface Filesystem {
  readonly fscid: number;
  readonly mdsMap: MdsMap;
  readonly mirrorInfo: MirrorInfo;
}

export function makeFilesystem(fscid: number, map: MdsMap): Filesystem {
  return { fscid, mdsMap: map, mirrorInfo: notMirrored };
}

/** FSMap: all file systems and metadata servers of a cluster. */
export interface FsMap {
  readonly epoch: number;
  readonly nextFilesystemId: number;
  /** File system that clients get which name none; -1: none. */
  readonly legacyClientFscid: number;
  readonly defaultCompat: CompatSet;
  readonly enableMultiple: boolean;
  readonly everEnabledMultiple: boolean;
  /** By id. */
  readonly filesystems: ReadonlyMap<number, Filesystem>;
  /** Global id of a server to the file system it serves; -1: a standby. */
  readonly mdsRoles: ReadonlyMap<number, number>;
  readonly standbyDaemons: ReadonlyMap<number, MdsInfo>;
  /** Epoch in which a standby's entry changed last. */
  readonly standbyEpochs: ReadonlyMap<number, number>;
}

/** No file system yet; a new cluster starts so, with epoch 1. */
export const fsMapEmpty: FsMap = {
  epoch: 0,
  nextFilesystemId: 1,
  legacyClientFscid: -1,
  defaultCompat: mdsCompatDefault,
  enableMultiple: true,
  everEnabledMultiple: true,
  filesystems: new Map(),
  mdsRoles: new Map(),
  standbyDaemons: new Map(),
  standbyEpochs: new Map(),
};

const filesystemWire = struct(
  'Filesystem',
  { version: 2, compat: 1 },
  { fscid: s32, mdsMap: blob, mirrorInfo: since(2, mirrorInfo, () => notMirrored) },
);

const filesystem: Codec<Filesystem> = {
  name: 'Filesystem',
  length_min: filesystemWire.length_min,
  encode: (w, fs) => filesystemWire.encode(w, { ...fs, mdsMap: encodeToBytes(mdsMap, fs.mdsMap, w.features) }),
  decode: (r) => {
    const fs = filesystemWire.decode(r);
    return { ...fs, mdsMap: decodeFromBytes(mdsMap, fs.mdsMap, r.features) };
  },
};

const wire = struct(
  'FSMap',
  { version: 7, compat: 6 },
  {
    epoch: u32,
    nextFilesystemId: u64num,
    legacyClientFscid: s32,
    defaultCompat: compatSet,
    enableMultiple: bool,
    filesystems: list(filesystem),
    mdsRoles: sortedMap(u64num, s32, byNumber),
    standbyDaemons: sortedMap(u64num, mdsInfo, byNumber),
    standbyEpochs: sortedMap(u64num, u32, byNumber),
    everEnabledMultiple: since(7, bool, () => false),
  },
);

export const fsMap: Codec<FsMap> = {
  name: 'FSMap',
  length_min: 6,
  encode(w, map) {
    wire.encode(w, {
      ...map,
      filesystems: [...map.filesystems.values()].sort((a, b) => a.fscid - b.fscid),
      mdsRoles: new Map(map.mdsRoles),
      standbyDaemons: new Map(map.standbyDaemons),
      standbyEpochs: new Map(map.standbyEpochs),
    });
  },
  decode(r) {
    const map = wire.decode(r);
    return { ...map, filesystems: new Map(map.filesystems.map((fs) => [fs.fscid, fs])) };
  },
};

/** FSMapUser: what clients see of the FSMap, names and ids. */
export interface FsMapUser {
  readonly epoch: number;
  readonly legacyClientFscid: number;
  readonly filesystems: readonly { readonly fscid: number; readonly name: string }[];
}

const fsInfo = struct('FSMapUser::fs_info_t', { version: 1, compat: 1 }, { fscid: s32, name: string });

export const fsMapUser: Codec<FsMapUser> = struct(
  'FSMapUser',
  { version: 1, compat: 1 },
  {
    epoch: u32,
    legacyClientFscid: s32,
    filesystems: list(fsInfo) as Codec<FsMapUser['filesystems']>,
  },
);

export function fsMapForUsers(map: FsMap): FsMapUser {
  const filesystems = [...map.filesystems.values()].map((fs) => ({ fscid: fs.fscid, name: fs.mdsMap.fsName }));
  return { epoch: map.epoch, legacyClientFscid: map.legacyClientFscid, filesystems };
}
