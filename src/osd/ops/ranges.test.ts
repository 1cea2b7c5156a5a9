import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ranges } from './ranges.ts';

function model(set: Ranges, n: number): string {
  const bits = new Array<string>(n).fill('.');
  for (let i = 0; i < set.count; i++) for (let k = 0; k < set.length(i); k++) bits[set.start(i) + k] = '#';
  return bits.join('');
}

test('ranges behave as sets of bytes', () => {
  let seed = 7;
  const draw = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  for (let round = 0; round < 300; round++) {
    const a = new Ranges();
    const b = new Ranges();
    const bits = new Array<boolean>(64).fill(false);
    for (let i = 0; i < 8; i++) {
      const s = draw(50);
      const l = draw(14);
      const add = draw(3) > 0;
      if (add) a.add(s, l);
      else a.remove(s, l);
      for (let k = s; k < s + l; k++) bits[k] = add;
      b.add(draw(50), draw(10));
    }
    assert.equal(model(a, 64), bits.map((x) => (x ? '#' : '.')).join(''));
    const i = a.clone();
    i.intersect(b);
    const expected = model(a, 64)
      .split('')
      .map((c, k) => (c === '#' && model(b, 64)[k] === '#' ? '#' : '.'))
      .join('');
    assert.equal(model(i, 64), expected);
    for (let k = 1; k < a.count; k++) assert.ok(a.start(k) > a.start(k - 1) + a.length(k - 1));
  }
});
