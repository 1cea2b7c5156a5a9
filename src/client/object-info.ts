/** What OSDs tell of an object beside its content (osd/osd_types.h: watch_item_t, clone_info and the replies around them). */
import { list, pair, since, struct, u32, u64, u64num } from '../encoding/index.ts';
import {
  CEPH_NOSNAP,
  EntityAddr,
  type EntityName,
  entityAddr,
  entityName,
  type Snapid,
  snapid,
} from '../types/index.ts';

/** A client that watches an object. */
export interface Watcher {
  readonly name: EntityName;
  readonly cookie: bigint;
  readonly timeout_s: number;
  readonly addr: EntityAddr;
}

const watcher = struct(
  'watch_item_t',
  { version: 2, compat: 1 },
  { name: entityName, cookie: u64, timeout_s: u32, addr: since(2, entityAddr, () => EntityAddr.none) },
);

export const watcherList = struct('obj_list_watch_response_t', { version: 1, compat: 1 }, { entries: list(watcher) });

/** One state of an object: CEPH_NOSNAP is the newest. */
export interface ObjectClone {
  readonly cloneid: Snapid;
  /** Snapshots that see it, ascending. */
  readonly snaps: readonly Snapid[];
  /** Offset and length of what it shares with the next newer one. */
  readonly overlap: readonly (readonly [offset: number, length: number])[];
  readonly size: number;
}

export interface ObjectSnaps {
  readonly clones: readonly ObjectClone[];
  /** Newest snapshot that the object has seen. */
  readonly seq: Snapid;
}

const clone = struct(
  'clone_info',
  { version: 1, compat: 1 },
  { cloneid: snapid, snaps: list(snapid), overlap: list(pair(u64num, u64num)), size: u64num },
);

export const objectSnaps = struct(
  'obj_list_snap_response_t',
  { version: 2, compat: 1 },
  { clones: list(clone), seq: since(2, snapid, () => CEPH_NOSNAP) },
);
