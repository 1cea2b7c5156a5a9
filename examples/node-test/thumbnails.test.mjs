import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cluster } from 'sepiola/cluster';
import { Thumbnails } from './thumbnails.mjs';

let cluster;
let pool;

before(async () => {
  cluster = await Cluster.start({ osds: 3, store: 'memory' });
  await cluster.createPool('thumbnails');
  pool = await (await cluster.rados()).openPool('thumbnails');
});

after(() => cluster?.close());

test('thumbnails are kept, and listed with their sizes', async () => {
  const thumbnails = new Thumbnails(pool);
  await thumbnails.add('cat', Buffer.alloc(1200, 1));
  await thumbnails.add('dog', Buffer.alloc(800, 2));
  assert.deepEqual(await thumbnails.sizes(), { cat: 1200, dog: 800 });
  assert.equal((await pool.stat('thumb.cat')).size, 1200);
});

test('an OSD that dies takes nothing with it', async () => {
  const thumbnails = new Thumbnails(pool);
  await thumbnails.add('owl', Buffer.alloc(100, 3));
  await cluster.kill('osd.0');
  assert.equal((await pool.read('thumb.owl')).length, 100);
  await cluster.restart('osd.0');
  await cluster.waitUntilUp();
});
