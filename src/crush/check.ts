import type { CrushMap } from './map.ts';

/** One more than the highest device id that a map may have: dumps and tests count up to it. */
const DEVICES_MAX = 1 << 20;
/** Places in all trees together, what is linked twice counted twice: walks visit each. */
const PLACES_MAX = 1 << 22;

/**
 * What keeps the buckets from being trees that can be walked: an item that is no bucket, a bucket within itself, device ids beyond a million,
 * links that multiply. Undefined for a sound map.
 */
export function hierarchyProblem(map: CrushMap): string | undefined {
  if (map.maxDevices > DEVICES_MAX) return `device ${map.maxDevices - 1} is beyond ${DEVICES_MAX}`;
  // Places at and beneath each bucket, 0 while it is being visited.
  const places = new Map<number, number>();
  for (const start of map.buckets) {
    if (start === undefined || places.has(start.id)) continue;
    places.set(start.id, 0);
    const path = [{ id: start.id, items: start.items, next: 0, total: 1 }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      if (top.next === top.items.length) {
        if (top.total > PLACES_MAX) return `the trees have more than ${PLACES_MAX} places`;
        places.set(top.id, top.total);
        path.pop();
        continue;
      }
      const item = top.items[top.next]!;
      const known = item >= 0 ? 1 : places.get(item);
      if (known === 0) return `bucket ${item} is within itself`;
      if (known !== undefined) {
        top.total += known;
        top.next++;
        continue;
      }
      const bucket = map.bucket(item);
      if (bucket === undefined) return `bucket ${top.id} holds bucket ${item}, which does not exist`;
      places.set(item, 0);
      path.push({ id: item, items: bucket.items, next: 0, total: 1 });
    }
  }
  return undefined;
}
