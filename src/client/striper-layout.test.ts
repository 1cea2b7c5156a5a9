import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extentsOf, objectCount, objectSizesAt, type StripeLayout } from './striper-layout.ts';

/** Small numbers stand for multiples of 64 KiB. */
const layouts: StripeLayout[] = [
  { stripeUnit: 4, stripeCount: 1, objectSize: 4 },
  { stripeUnit: 2, stripeCount: 3, objectSize: 8 },
  { stripeUnit: 3, stripeCount: 2, objectSize: 3 },
];

/** Byte by byte, as the layout is described. */
function place(l: StripeLayout, position: number): [object: number, at: number] {
  const unit = Math.floor(position / l.stripeUnit);
  const [turn, stripe] = [unit % l.stripeCount, Math.floor(unit / l.stripeCount)];
  const perObject = l.objectSize / l.stripeUnit;
  return [
    Math.floor(stripe / perObject) * l.stripeCount + turn,
    (stripe % perObject) * l.stripeUnit + (position % l.stripeUnit),
  ];
}

test('every byte of every range is where the layout says', () => {
  for (const layout of layouts) {
    for (let offset = 0; offset < 30; offset++) {
      for (let length = 0; length < 60; length += 7) {
        const seen = new Set<number>();
        for (const { object, at, parts, length: n } of extentsOf(layout, offset, length)) {
          let in_ = 0;
          for (const { from, length: m } of parts) {
            for (let i = 0; i < m; i++) {
              assert.deepEqual(place(layout, offset + from + i), [object, at + in_]);
              assert.ok(!seen.has(from + i));
              seen.add(from + i);
              in_++;
            }
          }
          assert.equal(in_, n);
        }
        assert.equal(seen.size, length);
      }
    }
  }
});

test('the sizes of objects', () => {
  for (const layout of layouts) {
    for (let size = 0; size < 100; size++) {
      const sizes = new Map<number, number>();
      for (let i = 0; i < size; i++) {
        const [object, at] = place(layout, i);
        sizes.set(object, Math.max(sizes.get(object) ?? 0, at + 1));
      }
      const sizeOf = objectSizesAt(layout, size);
      for (let object = 0; object < 80; object++) assert.equal(sizeOf(object), sizes.get(object) ?? 0);
      assert.equal(objectCount(layout, size), Math.max(-1, ...sizes.keys()) + 1);
    }
  }
});
