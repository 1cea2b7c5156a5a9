import { ErrnoError } from '../../base/index.ts';
import {
  formatAuthName,
  formatG,
  OSD_IN,
  OSD_OUT,
  osdMapFlag,
  osdState,
  PRIMARY_AFFINITY_MAX,
  parseOsdId,
  utimeToMs,
  utimeZero,
} from '../../types/index.ts';
import { type CommandCall, type CommandResult, committing, done, failure } from '../commands/registry.ts';
import { flipState, type OsdContext, pendingXinfo } from './context.ts';

/** Ids given to a command that takes many: each an id, or `any`, `all`, `*`. */
function selectOsds(
  context: OsdContext,
  ids: readonly string[],
  outOnly: boolean,
): { osds: number[]; all: boolean; complaints: string; bad: boolean } {
  const { map } = context;
  const first = ids[0];
  if (first === 'any' || first === 'all' || first === '*') {
    const osds: number[] = [];
    for (let id = 0; id < map.maxOsd; id++) if (map.exists(id) && !(outOnly && map.isIn(id))) osds.push(id);
    return { osds, all: true, complaints: '', bad: false };
  }
  const osds: number[] = [];
  let complaints = '';
  let bad = false;
  for (const text of ids) {
    const id = parseOsdId(text);
    if (id === undefined) {
      complaints += `unable to parse osd id value '${text}'. `;
      bad = true;
    } else if (!map.exists(id)) complaints += `osd.${id} does not exist. `;
    else osds.push(id);
  }
  return { osds, all: false, complaints, bad };
}

/** osd out, in, down, rm, stop. */
export function changeOsds(context: OsdContext, call: CommandCall): CommandResult {
  const verb = call.prefix.slice('osd '.length);
  const chosen = selectOsds(context, call.args.list('ids'), verb === 'in');
  const dead = verb === 'down' && call.args.flag('definitely_dead');
  let status = chosen.complaints;
  let any = false;
  for (const id of chosen.osds) {
    const result = changeOne(context, verb, id, dead, call);
    if (result.changed) any = true;
    if (result.changed || !chosen.all) status += result.status;
  }
  if (!any) return chosen.bad ? failure('EINVAL', status) : done(status);
  return committing(status);
}

function changeOne(
  context: OsdContext,
  verb: string,
  id: number,
  dead: boolean,
  call: CommandCall,
): { changed: boolean; status: string } {
  const { map, pending } = context;
  const weight = map.osdWeight[id]!;
  switch (verb) {
    case 'down': {
      if (dead) pending.newXinfo.set(id, { ...pendingXinfo(context, id), deadEpoch: pending.epoch });
      if (map.isDown(id)) return { changed: dead, status: `osd.${id} is already down. ` };
      pending.newState.set(id, osdState.UP);
      return { changed: true, status: `marked down osd.${id}. ` };
    }
    case 'out': {
      if (map.isOut(id)) return { changed: false, status: `osd.${id} is already out. ` };
      pending.newWeight.set(id, OSD_OUT);
      pending.newXinfo.set(id, { ...pendingXinfo(context, id), oldWeight: weight });
      const who = formatAuthName(call.session.entity);
      const down_s = Math.floor((context.clock.now() - utimeToMs(map.osdXinfo[id]?.downStamp ?? utimeZero)) / 1000);
      const how = map.isUp(id) ? ', while it was still marked up' : `, after it was down for ${down_s} seconds`;
      context.clog('info', `Client ${who} marked osd.${id} out${how}`);
      return { changed: true, status: `marked out osd.${id}. ` };
    }
    case 'in': {
      if (map.isIn(id)) return { changed: false, status: `osd.${id} is already in. ` };
      const xinfo = pendingXinfo(context, id);
      pending.newWeight.set(id, xinfo.oldWeight > 0 ? xinfo.oldWeight : OSD_IN);
      if (xinfo.oldWeight > 0) pending.newXinfo.set(id, { ...xinfo, oldWeight: 0 });
      return { changed: true, status: `marked in osd.${id}. ` };
    }
    case 'rm': {
      if (map.isUp(id)) {
        throw new ErrnoError('EBUSY', `osd.${id} is still up; must be down before removal. `);
      }
      removeFromMap(context, id);
      return { changed: true, status: `removed osd.${id}` };
    }
    default: {
      if ((map.osdState[id]! & osdState.STOP) !== 0) {
        return { changed: false, status: `osd.${id} is already stopped. ` };
      }
      if (map.isDown(id)) {
        pending.newState.set(id, osdState.STOP);
        return { changed: true, status: `stop down osd.${id}. ` };
      }
      pending.newState.set(id, osdState.UP | osdState.STOP);
      return { changed: true, status: `stop osd.${id}. ` };
    }
  }
}

/** Every bit of the OSD's state goes, and its uuid. Its metadata is the caller's. */
export function removeFromMap(context: OsdContext, id: number): void {
  context.pending.newState.set(id, context.map.osdState[id]!);
  context.pending.newUuid.set(id, '00000000-0000-0000-0000-000000000000');
}

/** osd reweight ID WEIGHT */
export function reweight(context: OsdContext, { args }: CommandCall): CommandResult {
  const id = args.num('id');
  const w = args.num('weight');
  const weight = Math.trunc(OSD_IN * w);
  if (!context.map.exists(id)) return failure('ENOENT', `osd.${id} does not exist`);
  context.pending.newWeight.set(id, weight);
  return committing(`reweighted osd.${id} to ${formatG(w)} (${weight.toString(16)})`);
}

/** osd reweightn {"0": 32768, ...} */
export function reweightMany(context: OsdContext, { args }: CommandCall): CommandResult {
  const text = args.str('weights');
  const refuse = (): CommandResult => failure('EINVAL', `unable to parse 'weights' value '${text}'`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refuse();
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return refuse();
  for (const [key, value] of Object.entries(parsed)) {
    const id = parseOsdId(key);
    const weight = Number(value);
    if (id === undefined || !Number.isInteger(weight) || weight < OSD_OUT || weight > OSD_IN) return refuse();
    if (!context.map.exists(id)) return failure('ENOENT', `osd.${id} does not exist`);
    context.pending.newWeight.set(id, weight);
  }
  return committing('');
}

/** osd primary-affinity ID WEIGHT */
export function setPrimaryAffinity(context: OsdContext, { args }: CommandCall): CommandResult {
  const id = args.num('id');
  const w = args.num('weight');
  const affinity = Math.trunc(PRIMARY_AFFINITY_MAX * w);
  if (!context.map.exists(id)) return failure('ENOENT', `osd.${id} does not exist`);
  context.pending.newPrimaryAffinity.set(id, affinity);
  return committing(`set osd.${id} primary-affinity to ${formatG(w)} (8${affinity}2)`);
}

/** osd lost ID --yes-i-really-mean-it */
export function markLost(context: OsdContext, { args }: CommandCall): CommandResult {
  const id = args.num('id');
  if (!args.flag('yes_i_really_mean_it')) {
    return failure(
      'EPERM',
      'are you SURE?  this might mean real, permanent data loss.  pass --yes-i-really-mean-it if you really do.',
    );
  }
  if (!context.map.exists(id)) return failure('ENOENT', `osd.${id} does not exist`);
  if (!context.map.isDown(id)) return failure('EBUSY', `osd.${id} is not down`);
  const epoch = context.map.osdInfo[id]!.downAt;
  context.pending.newLost.set(id, epoch);
  return committing(`marked osd lost in epoch ${epoch}`);
}

/** osd setmaxosd N */
export function setMaxOsd(context: OsdContext, { args }: CommandCall): CommandResult {
  const n = args.num('newmax');
  const max = context.config.num('mon_max_osd');
  if (n > max) {
    return failure('ERANGE', `cannot set max_osd to ${n} which is > conf.mon_max_osd (${max})`);
  }
  for (let id = n; id < context.map.maxOsd; id++) {
    if (context.map.exists(id)) {
      return failure('EBUSY', `cannot shrink max_osd to ${n} because osd.${id} (and possibly others) still in use`);
    }
  }
  context.pending.newMaxOsd = n;
  return committing(`set new max_osd = ${n}`);
}

const flagsByName: ReadonlyMap<string, number> = new Map([
  ['pause', osdMapFlag.PAUSERD | osdMapFlag.PAUSEWR],
  ['noup', osdMapFlag.NOUP],
  ['nodown', osdMapFlag.NODOWN],
  ['noout', osdMapFlag.NOOUT],
  ['noin', osdMapFlag.NOIN],
  ['nobackfill', osdMapFlag.NOBACKFILL],
  ['norebalance', osdMapFlag.NOREBALANCE],
  ['norecover', osdMapFlag.NORECOVER],
  ['noscrub', osdMapFlag.NOSCRUB],
  ['nodeep-scrub', osdMapFlag.NODEEP_SCRUB],
  ['notieragent', osdMapFlag.NOTIERAGENT],
  ['nosnaptrim', osdMapFlag.NOSNAPTRIM],
  ['pglog_hardlimit', osdMapFlag.PGLOG_HARDLIMIT],
]);

/** osd set, osd unset, osd pause, osd unpause */
export function changeFlag(context: OsdContext, call: CommandCall): CommandResult {
  const key = call.prefix.endsWith('pause') ? 'pause' : call.args.str('key');
  const set = call.prefix === 'osd set' || call.prefix === 'osd pause';
  const bits = flagsByName.get(key);
  if (bits === undefined || (key === 'pglog_hardlimit' && !set)) return failure('EINVAL', `unrecognized flag '${key}'`);
  const flags = set ? context.map.flags | bits : context.map.flags & ~bits;
  context.pending.newFlags = flags;
  const names = key === 'pause' ? 'pauserd,pausewr' : key;
  return committing(`${names} is ${set ? 'set' : 'unset'}`);
}

const groupFlags: ReadonlyMap<string, number> = new Map([
  ['noup', osdState.NOUP],
  ['nodown', osdState.NODOWN],
  ['noin', osdState.NOIN],
  ['noout', osdState.NOOUT],
]);

/** osd set-group, unset-group and their old forms add-noup, rm-noup, ... */
export function changeGroupFlags(context: OsdContext, { prefix, args }: CommandCall): CommandResult {
  const { map, pending } = context;
  const old = /^osd (add|rm)-(\w+)$/.exec(prefix);
  const set = prefix === 'osd set-group' || old?.[1] === 'add';
  let bits = 0;
  for (const name of (old?.[2] ?? args.str('flags')).split(',')) {
    const bit = groupFlags.get(name);
    if (bit === undefined) {
      return failure('EINVAL', `unrecognized flag '${name}', must be one of {noup,nodown,noin,noout}`);
    }
    bits |= bit;
  }
  const who = old === null ? args.list('who') : args.list('ids');
  if (who.length === 0) return failure('EINVAL', 'must specify at least one or more targets to set/unset');
  let status = '';
  let any = false;
  let targets = 0;
  const changeOsd = (id: number): void => {
    const state = map.osdState[id]!;
    const flip = set ? bits & ~state : bits & state;
    if (flip !== 0) flipState(context, id, flip);
    any ||= flip !== 0;
  };
  for (const name of who) {
    if (name === 'any' || name === 'all' || name === '*') {
      for (let id = 0; id < map.maxOsd; id++) if (map.exists(id)) changeOsd(id);
      targets++;
      break;
    }
    const id = parseOsdId(name);
    const node = id === undefined ? context.crush.itemId(name) : undefined;
    const deviceClass = id === undefined && node === undefined ? context.crush.classId(name) : undefined;
    if (id !== undefined) {
      targets++;
      if (map.exists(id)) changeOsd(id);
      else status += `osd.${id} does not exist. `;
    } else if (node !== undefined) {
      targets++;
      const flags = map.crushNodeFlags.get(node) ?? 0;
      pending.newCrushNodeFlags.set(node, set ? flags | bits : flags & ~bits);
      any = true;
    } else if (deviceClass !== undefined) {
      targets++;
      const flags = map.deviceClassFlags.get(deviceClass) ?? 0;
      pending.newDeviceClassFlags.set(deviceClass, set ? flags | bits : flags & ~bits);
      any = true;
    } else status += `unable to parse osd id or crush node or device class: "${name}". `;
  }
  if (targets === 0) return failure('EINVAL', status);
  return any ? committing(status) : done(status);
}

/** osd set-full-ratio and its siblings */
export function setRatio(context: OsdContext, { prefix, args }: CommandCall): CommandResult {
  const ratio = args.num('ratio');
  if (prefix === 'osd set-full-ratio') context.pending.newFullRatio = ratio;
  else if (prefix === 'osd set-backfillfull-ratio') context.pending.newBackfillfullRatio = ratio;
  else context.pending.newNearfullRatio = ratio;
  return committing(`${prefix} ${formatG(ratio)}`);
}
