/** Reads of one object. All reject with an error that has `errno`. */
import { type IoCtx, type ObjectSnaps, ReadOperation, type Watcher } from '../../client/index.ts';
import { osdFlag } from '../../messages/index.ts';
import { CEPH_SNAPDIR, type Snapid } from '../../types/index.ts';
import { submit } from './session.ts';
import type { Stat } from './store.ts';

/** Sends a read; what the operation's results are is known once it is done. */
async function read(io: IoCtx, oid: string, op: ReadOperation, snap?: Snapid): Promise<void> {
  const reply = await submit(io, oid, op.ops, osdFlag.READ, snap);
  op.settle(reply.ops);
}

export async function readData(io: IoCtx, oid: string, length: number, offset: number): Promise<Uint8Array> {
  const op = new ReadOperation();
  const data = op.read(offset, length);
  await read(io, oid, op);
  return data.value;
}

export async function readStat(io: IoCtx, oid: string): Promise<Stat> {
  const op = new ReadOperation();
  const stat = op.stat();
  await read(io, oid, op);
  return stat.value;
}

export async function readXattr(io: IoCtx, oid: string, name: string): Promise<Uint8Array> {
  const op = new ReadOperation();
  const value = op.getXattr(name);
  await read(io, oid, op);
  return value.value;
}

export async function readXattrs(io: IoCtx, oid: string): Promise<Map<string, Uint8Array>> {
  const op = new ReadOperation();
  const values = op.getXattrs();
  await read(io, oid, op);
  return values.value;
}

export async function readOmapHeader(io: IoCtx, oid: string): Promise<Uint8Array> {
  const op = new ReadOperation();
  const header = op.omapGetHeader();
  await read(io, oid, op);
  return header.value;
}

/** Entries after a key, `count` at most. */
export async function readOmap(io: IoCtx, oid: string, after: string, count: number): Promise<Map<string, Uint8Array>> {
  const op = new ReadOperation();
  const page = op.omapGetVals(after, count);
  await read(io, oid, op);
  return page.value.values;
}

export async function readOmapKeys(
  io: IoCtx,
  oid: string,
  after: string,
  count: number,
): Promise<{ keys: string[]; more: boolean }> {
  const op = new ReadOperation();
  const page = op.omapGetKeys(after, count);
  await read(io, oid, op);
  return page.value;
}

/** Undefined where there is no such key. */
export async function readOmapValue(io: IoCtx, oid: string, key: string): Promise<Uint8Array | undefined> {
  const op = new ReadOperation();
  const values = op.omapGetValsByKeys([key]);
  await read(io, oid, op);
  return values.value.get(key);
}

export async function readSnaps(io: IoCtx, oid: string): Promise<ObjectSnaps> {
  const op = new ReadOperation();
  const snaps = op.listSnaps();
  await read(io, oid, op, CEPH_SNAPDIR);
  return snaps.value;
}

export async function readWatchers(io: IoCtx, oid: string): Promise<Watcher[]> {
  const op = new ReadOperation();
  const watchers = op.listWatchers();
  await read(io, oid, op);
  return watchers.value;
}
