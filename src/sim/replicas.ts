import type { ObjectStore } from '../store/index.ts';
import { type Ghobject, ghobjectMin } from '../types/index.ts';
import type { SimCluster } from './cluster.ts';

function objectsOf(store: ObjectStore, collection: string): Map<string, Ghobject> {
  const found = new Map<string, Ghobject>();
  let from = ghobjectMin;
  for (;;) {
    const { objects, next } = store.list(collection, from, undefined, 1000);
    // What a PG notes of itself differs from copy to copy.
    for (const object of objects) if (!object.isPgMeta) found.set(object.mapKey, object);
    if (objects.length === 0 || next.isMax) return found;
    from = next;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** All of an object as text: data, xattrs, omap header and omap. */
function contentOf(store: ObjectStore, collection: string, object: Ghobject): string {
  const data = (store.readSync(collection, object, 0, 0) ?? []).map(hex).join('');
  const attrs = [...(store.getAttrs(collection, object) ?? [])].map(([k, v]) => `${k}=${hex(v)}`).sort();
  const omap = [...(store.omapIterate(collection, object, {}) ?? [])].map(([k, v]) => `${k}=${hex(v)}`);
  const header = store.omapHeader(collection, object);
  return JSON.stringify([data, attrs, header === undefined ? '' : hex(header), omap]);
}

/**
 * Compares every PG's copies in the stores of all OSDs, object by object and byte by byte; every OSD must hold every PG (pools of a size that is the number of OSDs).
 * Returns how many copies were compared; throws with the first difference.
 */
export function compareReplicas(cluster: SimCluster): number {
  const [first, ...others] = [...cluster.stores];
  if (first === undefined) throw new Error('no OSD runs');
  let compared = 0;
  const [firstName, firstStore] = first;
  for (const collection of firstStore.collections().filter((c) => c.endsWith('_head'))) {
    const objects = objectsOf(firstStore, collection);
    for (const [name, store] of others) {
      const theirs = objectsOf(store, collection);
      for (const key of new Set([...objects.keys(), ...theirs.keys()])) {
        const object = objects.get(key);
        const their = theirs.get(key);
        if (object === undefined || their === undefined) {
          throw new Error(
            `${collection} ${key}: only ${object === undefined ? name : firstName} of ${firstName} and ${name} has it`,
          );
        }
        if (contentOf(firstStore, collection, object) !== contentOf(store, collection, their)) {
          throw new Error(`${collection} ${key}: ${firstName} and ${name} differ`);
        }
        compared++;
      }
    }
  }
  return compared;
}
