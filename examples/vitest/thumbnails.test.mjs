import { Cluster } from 'sepiola/cluster';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Thumbnails } from './thumbnails.mjs';

let cluster;
let pool;

beforeAll(async () => {
  cluster = await Cluster.start({ osds: 3, store: 'memory' });
  await cluster.createPool('thumbnails');
  pool = await (await cluster.rados()).openPool('thumbnails');
});

afterAll(() => cluster?.close());

test('thumbnails are kept, and listed with their sizes', async () => {
  const thumbnails = new Thumbnails(pool);
  await thumbnails.add('cat', Buffer.alloc(1200, 1));
  await thumbnails.add('dog', Buffer.alloc(800, 2));
  expect(await thumbnails.sizes()).toEqual({ cat: 1200, dog: 800 });
});
