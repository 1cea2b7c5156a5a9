import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrnoError } from '../base/index.ts';
import {
  addErasureRule,
  addNamedBucket,
  addSimpleRule,
  adjustItemWeight,
  adjustSubtreeWeight,
  adjustWeightSet,
  type CrushMap,
  convertStrawBuckets,
  createOrMoveItem,
  createWeightSet,
  DEFAULT_CHOOSE_ARGS,
  decodeCrushMap,
  encodeCrushMap,
  initialCrushMap,
  insertItem,
  linkBucket,
  moveBucket,
  parseLocation,
  removeClass,
  removeDeviceClass,
  removeItem,
  removeItemUnder,
  removeRule,
  removeWeightSet,
  renameBucket,
  renameClass,
  renameRule,
  reweightAll,
  setDeviceClass,
  swapBucket,
  type TunablesProfile,
  updateItem,
  weightToFixed,
} from './index.ts';
import { corpusLines, fromBase64 } from './testing/corpus.ts';

type Command = Readonly<Record<string, unknown>> & { readonly prefix: string };

interface EditVector {
  readonly command: Command | null;
  readonly status: number;
  readonly map: string;
}

const POOL = 1;

/** What the monitor does for a command, with this folder's functions. */
function run(map: CrushMap, command: Command): void {
  const text = (key: string): string => String(command[key] ?? '');
  const number = (key: string): number => Number(command[key]);
  const id = (name: string): number => map.itemId(name)!;
  const place = parseLocation((command.args ?? []) as string[]);
  const weights = ((command.weight ?? []) as number[]).map?.((weight) => Math.trunc(weight * 0x10000));
  const osd = (): string => `osd.${number('id')}`;
  switch (command.prefix.replace('osd crush ', '')) {
    case 'create-or-move':
      createOrMoveItem(map, number('id'), number('weight'), osd(), place);
      return;
    case 'set':
      updateItem(map, number('id'), number('weight'), osd(), place);
      return;
    case 'set-device-class':
      for (const device of command.ids as string[]) setDeviceClass(map, Number(device), text('class'));
      return;
    case 'rm-device-class':
      for (const device of command.ids as string[]) removeDeviceClass(map, Number(device));
      return;
    case 'rule create-replicated':
      addSimpleRule(map, {
        name: text('name'),
        root: text('root'),
        failureDomain: text('type'),
        deviceClass: text('class'),
        mode: 'firstn',
      });
      return;
    case 'rule create-simple':
      addSimpleRule(map, {
        name: text('name'),
        root: text('root'),
        failureDomain: text('type'),
        mode: text('mode'),
      });
      return;
    case 'rule create-erasure':
      addErasureRule(map, { name: text('name'), root: 'default', failureDomain: 'osd', deviceClass: 'hdd' }, 3);
      return;
    case 'rule rm':
      removeRule(map, map.ruleId(text('name'))!);
      return;
    case 'rule rename':
      renameRule(map, text('srcname'), text('dstname'));
      return;
    case 'add-bucket': {
      const bucket = addNamedBucket(map, text('name'), text('type'));
      if (place.size > 0) moveBucket(map, bucket, place);
      return;
    }
    case 'move':
      moveBucket(map, id(text('name')), place);
      return;
    case 'link':
      linkBucket(map, id(text('name')), place);
      return;
    case 'unlink':
      removeItemUnder(map, id(text('name')), id(text('ancestor')), true);
      return;
    case 'rm':
      if ('ancestor' in command) removeItemUnder(map, id(text('name')), id(text('ancestor')));
      else removeItem(map, id(text('name')));
      return;
    case 'weight-set create-compat':
      createWeightSet(map, DEFAULT_CHOOSE_ARGS, 1);
      return;
    case 'weight-set create':
      createWeightSet(map, POOL, 3);
      return;
    case 'weight-set reweight-compat':
      adjustWeightSet(map, DEFAULT_CHOOSE_ARGS, id(text('item')), weights);
      return;
    case 'weight-set reweight':
      adjustWeightSet(map, POOL, id(text('item')), weights);
      return;
    case 'weight-set rm':
      removeWeightSet(map, POOL);
      return;
    case 'weight-set rm-compat':
      removeWeightSet(map, DEFAULT_CHOOSE_ARGS);
      return;
    case 'reweight':
      adjustItemWeight(map, id(text('name')), weightToFixed(number('weight')));
      return;
    case 'reweight-subtree':
      adjustSubtreeWeight(map, id(text('name')), weightToFixed(number('weight')));
      return;
    case 'reweight-all':
      reweightAll(map);
      return;
    case 'swap-bucket':
      swapBucket(map, id(text('source')), id(text('dest')));
      return;
    case 'rename-bucket':
      renameBucket(map, text('srcname'), text('dstname'));
      return;
    case 'class rename':
      renameClass(map, text('srcname'), text('dstname'));
      return;
    case 'class rm':
      removeClass(map, text('class'));
      return;
    case 'tunables':
      map.setTunables(text('profile') as TunablesProfile);
      return;
    case 'set-tunable':
      map.tunables.strawCalcVersion = number('value');
      return;
    case 'set-all-straw-buckets-to-straw2':
      convertStrawBuckets(map);
      return;
    default:
      // Commands that are not about the CRUSH map.
      assert.ok(!command.prefix.startsWith('osd crush '), command.prefix);
  }
}

const vectors = corpusLines<EditVector>('edits.jsonl.gz');

test("a new cluster's map", () => {
  assert.deepEqual(encodeCrushMap(initialCrushMap(1)), fromBase64(vectors[0]!.map));
});

test('edits leave the map that the monitor has after them', () => {
  vectors.forEach(({ command, status, map: after }, i) => {
    if (command === null) return;
    const map = decodeCrushMap(fromBase64(vectors[i - 1]!.map));
    if (status === 0) run(map, command);
    // The monitor gives the map as it decoded it, which finalizes it.
    map.finalize();
    assert.deepEqual(encodeCrushMap(map), fromBase64(after), `step ${i}: ${JSON.stringify(command)}`);
  });
});

function sample(): CrushMap {
  const map = initialCrushMap();
  for (let osd = 0; osd < 6; osd++) {
    createOrMoveItem(map, osd, 1, `osd.${osd}`, parseLocation([`host=h${osd >> 1}`, 'rack=r', 'root=default']));
  }
  return map;
}

const failsWith = (name: string) => (error: unknown) => error instanceof ErrnoError && error.errnoName === name;

test('edits that make no sense are refused', () => {
  const at = (...words: string[]): Map<string, string> => parseLocation(words);
  const map = sample();
  const rack = map.itemId('r')!;
  const root = map.itemId('default')!;
  assert.throws(() => moveBucket(map, root, at('rack=r')), failsWith('ELOOP'));
  assert.throws(() => removeItem(map, rack), failsWith('ENOTEMPTY'));
  assert.throws(() => removeItem(map, -99), failsWith('ENOENT'));
  assert.throws(() => insertItem(map, 0, 1, 'osd.0', at('rack=h1')), failsWith('EINVAL'));
  assert.throws(() => insertItem(map, 7, 1, 'osd.1', at('host=h1')), failsWith('EEXIST'));
  assert.throws(() => insertItem(map, 7, 1e9, 'osd.7', at('host=h1')), failsWith('EOVERFLOW'));
  assert.throws(() => insertItem(map, 7, 1, 'osd 7', at('host=h1')), failsWith('EINVAL'));
  assert.throws(() => renameBucket(map, 'osd.0', 'x'), failsWith('ENOTDIR'));
  assert.throws(() => renameBucket(map, 'nobody', 'h1'), failsWith('EALREADY'));
  assert.throws(
    () => addSimpleRule(map, { name: 'x', root: 'y', failureDomain: 'host', mode: 'firstn' }),
    failsWith('ENOENT'),
  );
  setDeviceClass(map, 0, 'ssd');
  assert.throws(() => setDeviceClass(map, 0, 'hdd'), failsWith('EBUSY'));
  addSimpleRule(map, { name: 'x', root: 'default', failureDomain: 'host', deviceClass: 'ssd', mode: 'firstn' });
  assert.throws(() => removeClass(map, 'ssd'), failsWith('EBUSY'));
});
