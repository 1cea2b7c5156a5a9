import { ErrnoError } from '../../base/index.ts';
import {
  addNamedBucket,
  addSimpleRule,
  adjustItemWeight,
  adjustSubtreeWeight,
  algName,
  type CrushMap,
  convertStrawBuckets,
  createOrMoveItem,
  decodeCrushMap,
  getOrCreateClass,
  insertItem,
  linkBucket,
  moveBucket,
  parentOf,
  parseLocation,
  rebuildShadows,
  removeClass,
  removeDeviceClass,
  removeItem,
  removeItemUnder,
  removeRule,
  renameBucket,
  renameClass,
  renameRule,
  reweightAll,
  rulesUsingClass,
  setDeviceClass,
  swapBucket,
  type TunablesProfile,
  updateItem,
  weightAtLocation,
  weightToFixed,
} from '../../crush/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import { formatG, parseOsdId } from '../../types/index.ts';
import {
  type CommandCall,
  type CommandRegistry,
  type CommandResult,
  committing,
  done,
  errorText,
  failure,
} from '../commands/registry.ts';
import type { OsdMonitor } from './osd-monitor.ts';

/** `{host=a,root=default}` as Ceph prints a location. */
function formatLocation(location: ReadonlyMap<string, string>): string {
  const parts = [...location].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, name]) => `${type}=${name}`);
  return `{${parts.join(',')}}`;
}

type Edit = (
  crush: CrushMap,
  call: CommandCall,
  osd: OsdMonitor,
) => { readonly status: string; readonly changed: boolean };

/** Runs an edit on a copy of the map; what changed becomes pending. */
function edited(osd: OsdMonitor, call: CommandCall, edit: Edit): CommandResult {
  const crush = osd.editCrush();
  const { status, changed } = edit(crush, call, osd);
  if (!changed) return done(status);
  osd.setCrush(crush);
  return committing(status);
}

const changed = (status: string): { status: string; changed: true } => ({ status, changed: true });
const unchanged = (status: string): { status: string; changed: false } => ({ status, changed: false });

function requireItem(crush: CrushMap, name: string, complaint: string): number {
  const id = crush.itemId(name);
  if (id === undefined) throw new ErrnoError('ENOENT', complaint);
  return id;
}

/** Ids that a device class command is for; words that name none are complained of. */
function chosenOsds(osd: OsdMonitor, ids: readonly string[]): { osds: number[]; all: boolean; complaints: string } {
  const first = ids[0];
  if (first === 'any' || first === 'all' || first === '*') {
    return { osds: [...osd.map.osds()], all: true, complaints: '' };
  }
  const osds: number[] = [];
  let complaints = '';
  for (const text of ids) {
    const id = parseOsdId(text);
    if (id === undefined) throw new ErrnoError('EINVAL', `unable to parse osd id:"${text}". `);
    if (osd.map.exists(id)) osds.push(id);
    else complaints += `osd.${id} does not exist. `;
  }
  return { osds, all: false, complaints };
}

const edits: ReadonlyMap<string, Edit> = new Map<string, Edit>([
  [
    'osd crush add-bucket',
    (crush, { args }) => {
      const name = args.str('name');
      const type = args.str('type');
      if (crush.itemId(name) !== undefined) return unchanged(`bucket '${name}' already exists`);
      const id = addNamedBucket(crush, name, type);
      const words = args.list('args');
      if (words.length === 0) return changed(`added bucket ${name} type ${type} to crush map`);
      const location = parseLocation(words);
      moveBucket(crush, id, location);
      return changed(`added bucket ${name} type ${type} to location ${formatLocation(location)}`);
    },
  ],
  [
    'osd crush rename-bucket',
    (crush, { args }) => {
      const from = args.str('srcname');
      const to = args.str('dstname');
      try {
        renameBucket(crush, from, to);
      } catch (error) {
        if (error instanceof ErrnoError && error.errnoName === 'EALREADY') return unchanged(errorText(error));
        throw error;
      }
      return changed(`renamed bucket ${from} into ${to}`);
    },
  ],
  ['osd crush add', (crush, call, osd) => placeOsd(crush, call, osd, false)],
  ['osd crush create-or-move', createOrMove],
  [
    'osd crush move',
    (crush, { args }) => {
      const name = args.str('name');
      const location = parseLocation(args.list('args'));
      const id = requireItem(crush, name, `item ${name} does not exist`);
      const where = `item id ${id} name '${name}' to location ${formatLocation(location)} in crush map`;
      if (weightAtLocation(crush, id, location) !== undefined) return unchanged(`no need to move ${where}`);
      if (id >= 0) createOrMoveItem(crush, id, 0, name, location);
      else moveBucket(crush, id, location);
      return changed(`moved ${where}`);
    },
  ],
  [
    'osd crush link',
    (crush, { args }) => {
      const name = args.str('name');
      const location = parseLocation(args.list('args'));
      const id = requireItem(crush, name, `item ${name} does not exist`);
      const where = `item id ${id} name '${name}' to location ${formatLocation(location)}`;
      if (weightAtLocation(crush, id, location) !== undefined) {
        return unchanged(`no need to move ${where} in crush map`);
      }
      linkBucket(crush, id, location);
      return changed(`linked ${where} in crush map`);
    },
  ],
  ['osd crush swap-bucket', swapBuckets],
  ...(['osd crush rm', 'osd crush remove', 'osd crush unlink'] as const).map((prefix): [string, Edit] => [
    prefix,
    removeFromCrush,
  ]),
  [
    'osd crush reweight-all',
    (crush) => {
      reweightAll(crush);
      return changed('reweighted crush hierarchy');
    },
  ],
  [
    'osd crush reweight',
    (crush, { args }) => {
      const name = args.str('name');
      const id = requireItem(crush, name, `device '${name}' does not appear in the crush map`);
      if (id < 0) throw new ErrnoError('EINVAL', `device '${name}' is not a leaf in the crush map`);
      const weight = args.num('weight');
      if (adjustItemWeight(crush, id, weightToFixed(weight)) === 0) {
        throw new ErrnoError('ENOENT', `device '${name}' is in no bucket`);
      }
      rebuildShadows(crush);
      return changed(`reweighted item id ${id} name '${name}' to ${formatG(weight)} in crush map`);
    },
  ],
  [
    'osd crush reweight-subtree',
    (crush, { args }) => {
      const name = args.str('name');
      const id = requireItem(crush, name, `device '${name}' does not appear in the crush map`);
      if (id >= 0) throw new ErrnoError('EINVAL', `device '${name}' is not a subtree in the crush map`);
      const weight = args.num('weight');
      adjustSubtreeWeight(crush, id, weightToFixed(weight));
      rebuildShadows(crush);
      return changed(`reweighted subtree id ${id} name '${name}' to ${formatG(weight)} in crush map`);
    },
  ],
  [
    'osd crush tunables',
    (crush, { args }) => {
      const profile = args.str('profile');
      crush.setTunables(profile as TunablesProfile);
      return changed(`adjusted tunables profile to ${profile}`);
    },
  ],
  [
    'osd crush set-tunable',
    (crush, { args }) => {
      const value = args.num('value');
      if (value !== 0 && value !== 1) throw new ErrnoError('EINVAL', `value must be 0 or 1; got ${value}`);
      crush.tunables.strawCalcVersion = value;
      crush.changed();
      return changed(`adjusted tunable straw_calc_version to ${value}`);
    },
  ],
  [
    'osd crush set-all-straw-buckets-to-straw2',
    (crush) => {
      convertStrawBuckets(crush);
      return changed('');
    },
  ],
  [
    'osd crush class create',
    (crush, { args }) => {
      const name = args.str('class');
      if (crush.classId(name) !== undefined) return unchanged(`class '${name}' already exists`);
      const id = getOrCreateClass(crush, name);
      crush.changed();
      return changed(`created class ${name} with id ${id} to crush map`);
    },
  ],
  ['osd crush class rm', removeDeviceClassName],
  [
    'osd crush class rename',
    (crush, { args }) => {
      const from = args.str('srcname');
      const to = args.str('dstname');
      if (crush.classId(from) === undefined && crush.classId(to) !== undefined) {
        return unchanged(`already renamed to '${to}'`);
      }
      try {
        renameClass(crush, from, to);
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error;
        throw new ErrnoError(error.errnoName, `fail to rename '${from}' to '${to}' : ${errorText(error)}`);
      }
      return changed(`rename class '${from}' to '${to}'`);
    },
  ],
  ['osd crush set-device-class', setClass],
  ['osd crush rm-device-class', dropClass],
  [
    'osd crush rule create-replicated',
    (crush, { args }) =>
      createRule(crush, args.str('name'), args.str('root'), args.str('type'), args.strOr('class', ''), 'firstn'),
  ],
  [
    'osd crush rule create-simple',
    (crush, { args }) =>
      createRule(crush, args.str('name'), args.str('root'), args.str('type'), '', args.strOr('mode', 'firstn')),
  ],
  [
    'osd crush rule rm',
    (crush, { args }, osd) => {
      const name = args.str('name');
      const id = crush.ruleId(name);
      if (id === undefined) return unchanged(`rule ${name} does not exist`);
      for (const pool of osd.map.pools.values()) {
        if (pool.crushRule === id) throw new ErrnoError('EBUSY', `crush ruleset ${name} ${id} is in use`);
      }
      removeRule(crush, id);
      return changed('');
    },
  ],
  [
    'osd crush rule rename',
    (crush, { args }) => {
      const from = args.str('srcname');
      const to = args.str('dstname');
      if (from === to) return unchanged('destination rule name is equal to source rule name');
      if (crush.ruleId(from) === undefined && crush.ruleId(to) !== undefined) {
        return unchanged(`already renamed to '${to}'`);
      }
      renameRule(crush, from, to);
      return changed('');
    },
  ],
]);

function placeOsd(
  crush: CrushMap,
  { prefix, args }: CommandCall,
  osd: OsdMonitor,
  mustExist: boolean,
): { status: string; changed: boolean } {
  const id = args.num('id');
  const name = `osd.${id}`;
  const weight = args.num('weight');
  const location = parseLocation(args.list('args'));
  if (!osd.map.exists(id)) {
    throw new ErrnoError('ENOENT', `${name} does not exist. Create it before updating the crush map`);
  }
  const what = `item id ${id} name '${name}' weight ${formatG(weight)} at location ${formatLocation(location)}`;
  if (mustExist && !crush.itemNames.has(id)) throw new ErrnoError('ENOENT', `unable to set ${what}: does not exist`);
  if (prefix === 'osd crush set' || weightAtLocation(crush, id, location) !== undefined) {
    if (!updateItem(crush, id, weight, name, location)) return unchanged(`set ${what}: no change`);
    return changed(`set ${what} to crush map`);
  }
  insertItem(crush, id, weight, name, location);
  return changed(`add ${what} to crush map`);
}

function createOrMove(crush: CrushMap, { args }: CommandCall, osd: OsdMonitor): { status: string; changed: boolean } {
  const id = args.num('id');
  const name = `osd.${id}`;
  const weight = args.num('weight');
  const location = parseLocation(args.list('args'));
  if (!osd.map.exists(id)) {
    throw new ErrnoError('ENOENT', `${name} does not exist.  create it before updating the crush map`);
  }
  const what = `item name '${name}' weight ${formatG(weight)} at location ${formatLocation(location)} to crush map`;
  return createOrMoveItem(crush, id, weight, name, location)
    ? changed(`create-or-move updating ${what}`)
    : unchanged(`create-or-move updated ${what}`);
}

function swapBuckets(crush: CrushMap, { args }: CommandCall): { status: string; changed: boolean } {
  const source = args.str('source');
  const dest = args.str('dest');
  const forced = args.flag('yes_i_really_mean_it');
  const from = requireItem(crush, source, `source item ${source} does not exist`);
  const to = requireItem(crush, dest, `dest item ${dest} does not exist`);
  if (parentOf(crush, from) !== undefined && !forced) {
    throw new ErrnoError(
      'EPERM',
      `source item ${source} is not an orphan bucket; pass --yes-i-really-mean-it to proceed anyway`,
    );
  }
  const a = crush.bucket(from)?.alg ?? 0;
  const b = crush.bucket(to)?.alg ?? 0;
  if (a !== b && !forced) {
    throw new ErrnoError(
      'EPERM',
      `source bucket alg ${algName(a)} != dest bucket alg ${algName(b)}; pass --yes-i-really-mean-it to proceed anyway`,
    );
  }
  swapBucket(crush, from, to);
  return changed(`swapped bucket of ${source} to ${dest}`);
}

function removeFromCrush(
  crush: CrushMap,
  { prefix, args }: CommandCall,
  osd: OsdMonitor,
): { status: string; changed: boolean } {
  const name = args.str('name');
  const id = crush.itemId(name);
  if (id === undefined) return unchanged(`device '${name}' does not appear in the crush map`);
  const unlinkOnly = prefix === 'osd crush unlink';
  const above = args.optionalStr('ancestor');
  try {
    if (above === undefined) removeItem(crush, id, unlinkOnly);
    else {
      const ancestor = requireItem(crush, above, `ancestor item '${above}' does not appear in the crush map`);
      removeItemUnder(crush, id, ancestor, unlinkOnly);
    }
  } catch (error) {
    if (error instanceof ErrnoError && error.errnoName === 'ENOENT' && crush.itemId(above ?? name) !== undefined) {
      return unchanged(`item ${id} does not appear in that position`);
    }
    throw error;
  }
  if (!unlinkOnly && osd.map.crushNodeFlags.has(id)) osd.pending.newCrushNodeFlags.set(id, 0);
  return changed(`removed item id ${id} name '${name}' from crush map`);
}

function removeDeviceClassName(
  crush: CrushMap,
  { args }: CommandCall,
  osd: OsdMonitor,
): { status: string; changed: boolean } {
  const name = args.str('class');
  const id = crush.classId(name);
  if (id === undefined) return unchanged('');
  const rules = rulesUsingClass(crush, id);
  if (rules.length > 0) {
    const list = rules.map((rule) => `'${rule}'`).join(',');
    throw new ErrnoError('EBUSY', `class '${name}' still referenced by crush_rule(s): ${list}`);
  }
  const profiles: string[] = [];
  for (const [profile, options] of osd.map.erasureCodeProfiles) {
    if (options.get('crush-device-class') === name) profiles.push(profile);
  }
  if (profiles.length > 0) {
    throw new ErrnoError(
      'EBUSY',
      `class '${name}' is still referenced by erasure-code-profile(s): [${profiles.join(',')}]`,
    );
  }
  removeClass(crush, name);
  return changed(`removed class ${name} with id ${id} from crush map`);
}

function setClass(crush: CrushMap, { args }: CommandCall, osd: OsdMonitor): { status: string; changed: boolean } {
  const name = args.str('class');
  const { osds, all, complaints } = chosenOsds(osd, args.list('ids'));
  let status = complaints;
  const updated: number[] = [];
  for (const id of osds) {
    if (!crush.itemNames.has(id)) crush.setItemName(id, `osd.${id}`);
    if (id >= crush.maxDevices) crush.maxDevices = id + 1;
    if (setDeviceClass(crush, id, name)) updated.push(id);
    else if (!all) status += `set-device-class item id ${id} name 'osd.${id}' device_class '${name}': no change. `;
  }
  return { status: `${status}set osd(s) ${updated.join(',')} to class '${name}'`, changed: updated.length > 0 };
}

function dropClass(crush: CrushMap, { args }: CommandCall, osd: OsdMonitor): { status: string; changed: boolean } {
  const { osds, complaints } = chosenOsds(osd, args.list('ids'));
  let status = complaints;
  const updated: number[] = [];
  for (const id of osds) {
    if (crush.className(id) === undefined) status += `osd.${id} belongs to no class, `;
    else if (removeDeviceClass(crush, id)) updated.push(id);
  }
  return { status: `${status}done removing class of osd(s): ${updated.join(',')}`, changed: updated.length > 0 };
}

function createRule(
  crush: CrushMap,
  name: string,
  root: string,
  failureDomain: string,
  deviceClass: string,
  mode: string,
): { status: string; changed: boolean } {
  if (crush.ruleId(name) !== undefined) return unchanged(`rule ${name} already exists`);
  addSimpleRule(crush, { name, root, failureDomain, deviceClass, mode });
  return changed('');
}

/** osd setcrushmap, and osd crush set with a map instead of an item. */
function replaceMap(osd: OsdMonitor, { args, data }: CommandCall): CommandResult {
  let crush: CrushMap;
  try {
    crush = decodeCrushMap(data);
  } catch (error) {
    if (error instanceof DecodeError) return failure('EINVAL', `Failed to parse crushmap: ${error.message}`);
    throw error;
  }
  const prior = args.optionalNum('prior_version');
  const version = osd.map.crushVersion;
  if (prior !== undefined && prior !== version) {
    return failure('EPERM', `prior_version ${prior} != crush version ${version}`);
  }
  for (const [id, pool] of osd.map.pools) {
    const rule = crush.rules[pool.crushRule];
    if (rule === undefined) {
      return failure('EINVAL', `pool ${id} references crush_rule ${pool.crushRule} but it is not present`);
    }
    if (rule.type !== pool.type) {
      return failure('EINVAL', `pool ${id} type does not match type of crush rule ${pool.crushRule}`);
    }
    if (pool.size < rule.minSize || pool.size > rule.maxSize) {
      return failure('EINVAL', `pool ${id} size ${pool.size} does not match crush rule ${pool.crushRule}`);
    }
  }
  osd.setCrush(crush);
  return committing(String(version + 1));
}

export function registerCrushCommands(commands: CommandRegistry, osd: OsdMonitor): void {
  for (const [prefix, edit] of edits) commands.write(prefix, osd, (call) => edited(osd, call, edit));
  commands.write('osd setcrushmap', osd, (call) => replaceMap(osd, call));
  commands.write('osd crush set', osd, (call) =>
    call.args.has('id')
      ? edited(osd, call, (crush, inner) => placeOsd(crush, inner, osd, true))
      : replaceMap(osd, call),
  );
}
