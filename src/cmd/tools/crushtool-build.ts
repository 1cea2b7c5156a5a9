import { ErrnoError } from '../../base/index.ts';
import { addBucket, addSimpleRule, algByName, CrushMap, findRoots } from '../../crush/index.ts';
import { ToolExit } from './args.ts';
import type { ToolIo } from './io.ts';

const NAME_MAX = 19;
const OSDS_MAX = 1 << 20;

/**
 * `crushtool --build`: devices 0 to n-1, and layers of buckets above them, each given as name, algorithm and size (0: one bucket for all). Ends
 * with the rule of a new cluster.
 */
export function buildMap(numOsds: number, words: readonly string[], io: ToolIo): CrushMap {
  if (words.length === 0) throw new ToolExit(1, 'crushtool: must specify at least one layer\n');
  if (numOsds > OSDS_MAX) throw new ToolExit(1, `crushtool: ${numOsds} devices are more than ${OSDS_MAX}\n`);
  const map = new CrushMap();
  map.maxDevices = Math.max(0, numOsds);
  let items: number[] = [];
  let weights: number[] = [];
  for (let osd = 0; osd < numOsds; osd++) {
    items.push(osd);
    weights.push(0x10000);
    map.setItemName(osd, `osd.${osd}`);
  }
  map.typeNames.set(0, 'osd');
  let root = '';
  for (let i = 0; i < words.length; i += 3) {
    const name = words[i]!;
    const size = Number.parseInt(words[i + 2]!, 10) || 0;
    const type = 1 + i / 3;
    map.typeNames.set(type, name);
    const alg = algByName(words[i + 1]!);
    if (alg === 0) throw new ToolExit(1, `unknown bucket type '${words[i + 1]}'\n`);
    if (size < 0) throw new ToolExit(1, `crushtool: layer '${name}' has a size below 0\n`);
    const upper: number[] = [];
    const upperWeights: number[] = [];
    for (let at = 0; at < items.length; ) {
      const end = size === 0 ? items.length : Math.min(items.length, at + size);
      const held = weights.slice(at, end);
      let id: number;
      try {
        id = addBucket(map, type, items.slice(at, end), held, { alg });
      } catch (error) {
        if (error instanceof ErrnoError) throw new ToolExit(1, ` Couldn't add bucket: ${error.message}\n`);
        throw error;
      }
      map.setItemName(id, (size === 0 ? name.slice(0, NAME_MAX) : `${name}${upper.length}`).slice(0, NAME_MAX));
      upper.push(id);
      upperWeights.push(held.reduce((a, b) => a + b, 0));
      at = end;
    }
    items = upper;
    weights = upperWeights;
    root = size === 0 ? name : `${name}0`;
  }
  const roots = findRoots(map);
  if (roots.length > 1) {
    io.err(
      `The crush rulesets will use the root ${root}\nand ignore the others.\nThere are ${roots.length} roots, they can be\n` +
        'grouped into a single root by appending something like:\n  root straw 0\n\n',
    );
  }
  try {
    addSimpleRule(map, {
      name: 'replicated_rule',
      root,
      failureDomain: map.typeNames.get(1) ?? '',
      mode: 'firstn',
    });
  } catch (error) {
    if (error instanceof ErrnoError) throw new ToolExit(1, error.message.replace(/^E[A-Z]+: /, ''));
    throw error;
  }
  return map;
}
