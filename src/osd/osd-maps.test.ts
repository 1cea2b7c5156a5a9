import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore, Transaction } from '../store/index.ts';
import { OSDMap, release } from '../types/index.ts';
import { formatMeta, META_COLLECTION, newSuperblock, OsdMaps } from './osd-maps.ts';
import { ManualClock } from './testing.ts';

const FSID = '00000000-0000-0000-0000-000000000001';
const full = (epoch: number): Uint8Array => new OSDMap({ epoch, requireOsdRelease: release.PACIFIC }).encode().bytes;

async function withMaps(epochs: readonly number[]): Promise<{ maps: OsdMaps; store: MemoryStore }> {
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  await store.mkfs(FSID);
  await store.mount();
  formatMeta(store, newSuperblock(FSID, FSID, 0), () => {});
  const maps = new OsdMaps(store, 0, 0);
  take(maps, store, epochs, 1);
  while (clock.turn());
  return { maps, store };
}

function take(
  maps: OsdMaps,
  store: MemoryStore,
  epochs: readonly number[],
  oldest: number,
): ReturnType<OsdMaps['add']> {
  const t = new Transaction();
  const found = maps.add({ incrementals: new Map(), fulls: new Map(epochs.map((e) => [e, full(e)])), oldest }, t);
  store.queueTransactions(META_COLLECTION, [t]);
  return found;
}

test('maps that somebody still has are asked for, not skipped', async () => {
  const { maps, store } = await withMaps([1, 2, 3]);
  const found = take(maps, store, [6, 7], 2);
  assert.deepEqual(found.epochs, []);
  assert.equal(found.missingFrom, 4);
  assert.equal(maps.newest, 3);
});

test('an OSD that was away while the monitors trimmed goes on with the oldest map there is', async () => {
  const { maps, store } = await withMaps([1, 2, 3]);
  // Not from the middle of what there is: all of it is wanted.
  assert.equal(take(maps, store, [12], 10).missingFrom, 9);
  assert.deepEqual(take(maps, store, [10, 11, 12], 10).epochs, [10, 11, 12]);
  assert.equal(maps.newest, 12);
  assert.equal(maps.get(11)?.epoch, 11);
  assert.equal(maps.get(5), undefined);
});

test('trimming takes maps away and leaves the rest', async () => {
  const { maps, store } = await withMaps([1, 2, 3, 4, 5]);
  const t = new Transaction();
  maps.trim(4, t);
  store.queueTransactions(META_COLLECTION, [t]);
  assert.equal(maps.oldest, 4);
  assert.equal(maps.get(3), undefined);
  assert.equal(maps.get(4)?.epoch, 4);
});
