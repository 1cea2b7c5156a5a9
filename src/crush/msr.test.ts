import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compileCrushMap,
  createOrMoveItem,
  decodeCrushMap,
  decompileCrushMap,
  doRule,
  encodeCrushMap,
  ITEM_NONE,
  initialCrushMap,
  minRequiredVersion,
  parseLocation,
} from './index.ts';
import { corpusBytes } from './testing/corpus.ts';

/** Four hosts of four devices, and a rule of each type that takes two devices of each host. */
function sample(): string {
  const map = initialCrushMap();
  for (let osd = 0; osd < 16; osd++) {
    createOrMoveItem(map, osd, 1, `osd.${osd}`, parseLocation([`host=h${osd >> 2}`, 'root=default']));
  }
  const rules = ['firstn', 'indep'].map(
    (mode, i) => `rule msr_${mode} {
	id ${i + 1}
	type msr_${mode}
	min_size 1
	max_size 10
	step set_msr_descents 100
	step take default
	step choosemsr 4 type host
	step choosemsr 2 type osd
	step emit
}
`,
  );
  return decompileCrushMap(map).replace('\n# end crush map', `${rules.join('')}\n# end crush map`);
}

test('MSR rules map as the C of Ceph 19 does, the devices of one host but one out', () => {
  const map = compileCrushMap(sample());
  const weights = Array.from({ length: 16 }, (_, osd) => (osd < 4 && osd !== 1 ? 0 : 0x10000));
  const firstn = [0, 1, 2, 3].map((x) => doRule(map, 1, x, 7, weights));
  const indep = [0, 1, 2, 3].map((x) => doRule(map, 2, x, 7, weights));
  assert.deepEqual(firstn, [
    [13, 15, 7, 4, 8, 11, 1],
    [15, 14, 5, 6, 9, 8, 1],
    [9, 8, 7, 6, 13, 15, 1],
    [11, 10, 4, 5, 12, 1],
  ]);
  assert.deepEqual(indep, [...firstn.slice(0, 3), [11, 10, ITEM_NONE, 1, 4, 5, 12]]);
});

test('MSR rules map as crushtool of Ceph 20.2.4 says, from and to its bytes', () => {
  const bytes = corpusBytes('msr-20.2.4.bin');
  const map = decodeCrushMap(bytes);
  assert.deepEqual(Buffer.from(encodeCrushMap(map)), bytes);
  const weights = Array.from({ length: map.maxDevices }, () => 0x10000);
  const lines = corpusBytes('msr-20.2.4.txt').toString().trim().split('\n');
  assert.equal(lines.length, 128);
  for (const line of lines) {
    const [, rule, x, osds] = /^CRUSH rule (\d+) x (\d+) \[(.*)\]$/.exec(line)!;
    assert.equal(doRule(map, Number(rule), Number(x), 5, weights).join(','), osds, line);
  }
});

test('MSR rules survive text and bytes, and ask for their feature', () => {
  const text = sample();
  const map = compileCrushMap(text);
  assert.equal(decompileCrushMap(map), text);
  const bytes = encodeCrushMap(map);
  assert.deepEqual(encodeCrushMap(decodeCrushMap(bytes)), bytes);
  assert.equal(minRequiredVersion(map), 'squid');
  const withoutFeature = encodeCrushMap(map, ~(1n << 38n));
  assert.equal(bytes.length - withoutFeature.length, 8);
});

test('rules without sizes, as Ceph 18 and later write them, are given the ones that those store', () => {
  const map = compileCrushMap(sample().replaceAll(/\tm(in|ax)_size \d+\n/g, ''));
  for (const rule of map.rules) assert.deepEqual([rule?.minSize, rule?.maxSize], [1, 100]);
  assert.deepEqual(doRule(map, 1, 3, 7, []), doRule(compileCrushMap(sample()), 1, 3, 7, []));
});

test('an MSR rule of the wrong form maps to nothing', () => {
  const wrong = ['step take osd.1\n\tstep choosemsr 1 type osd', 'step emit', 'step choose firstn 1 type osd'];
  for (const step of wrong) {
    const map = compileCrushMap(sample().replaceAll('step take default\n\tstep choosemsr 4 type host', step));
    assert.deepEqual(doRule(map, 2, 1, 3, new Array<number>(16).fill(0x10000)), [], step);
  }
});
