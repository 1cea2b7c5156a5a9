import {
  adjustWeightSet,
  bucketAlg,
  createWeightSet,
  DEFAULT_CHOOSE_ARGS,
  dumpChooseArgs,
  removeWeightSet,
  weightToFixed,
} from '../../crush/index.ts';
import {
  type CommandCall,
  type CommandRegistry,
  type CommandResult,
  committing,
  failure,
  reply,
} from '../commands/registry.ts';
import { formatterOr } from '../kv.ts';
import type { OsdMonitor } from './osd-monitor.ts';

/** Key of the weight set that a command is about: a pool's, or the one for every pool without its own. */
function keyOf(osd: OsdMonitor, { prefix, args }: CommandCall): number | CommandResult {
  if (prefix.endsWith('-compat')) return DEFAULT_CHOOSE_ARGS;
  const name = args.str('pool');
  return osd.map.poolId(name) ?? failure('ENOENT', `pool '${name}' not found`);
}

function create(osd: OsdMonitor, call: CommandCall): CommandResult {
  const key = keyOf(osd, call);
  if (typeof key !== 'number') return key;
  const crush = osd.editCrush();
  if (crush.buckets.some((bucket) => bucket !== undefined && bucket.alg !== bucketAlg.STRAW2)) {
    return failure('EPERM', 'crush map contains one or more bucket(s) that are not straw2');
  }
  const positional = key !== DEFAULT_CHOOSE_ARGS && call.args.str('mode') === 'positional';
  const positions = positional ? osd.map.pool(key)!.size : 1;
  if (!createWeightSet(crush, key, positions)) {
    return reply(
      '',
      key === DEFAULT_CHOOSE_ARGS
        ? 'compat weight-set already created'
        : `weight-set for pool '${osd.map.poolName(key)}' already created`,
    );
  }
  osd.setCrush(crush);
  return committing('');
}

function remove(osd: OsdMonitor, call: CommandCall): CommandResult {
  const key = keyOf(osd, call);
  if (typeof key !== 'number') return key;
  const crush = osd.editCrush();
  if (!removeWeightSet(crush, key)) return reply('');
  osd.setCrush(crush);
  return committing('');
}

function reweight(osd: OsdMonitor, call: CommandCall): CommandResult {
  const key = keyOf(osd, call);
  if (typeof key !== 'number') return key;
  const crush = osd.editCrush();
  const set = crush.chooseArgs.get(key);
  const weights = call.args.numbers('weight');
  if (set === undefined) {
    return failure(
      'ENOENT',
      key === DEFAULT_CHOOSE_ARGS
        ? 'no backward-compatible weight-set'
        : `no weight-set for pool '${call.args.str('pool')}'`,
    );
  }
  const positions = Math.max(1, ...[...set.values()].map((arg) => arg.weightSet.length));
  if (weights.length !== positions) return failure('EINVAL', `must specify exact ${positions} weight values`);
  const name = call.args.str('item');
  const item = crush.itemId(name);
  if (item === undefined) return failure('ENOENT', `item '${name}' does not exist`);
  adjustWeightSet(crush, key, item, weights.map(weightToFixed));
  osd.setCrush(crush);
  return committing('');
}

/** `osd crush weight-set ...`: weights that stand in for the items' own, for all pools or for one. */
export function registerWeightSetCommands(commands: CommandRegistry, osd: OsdMonitor): void {
  const { read, write } = {
    read: commands.read.bind(commands),
    write: (prefix: string, run: typeof create) => commands.write(prefix, osd, (call) => run(osd, call)),
  };
  read('osd crush weight-set ls', ({ f }) => {
    const keys = [...osd.crushMap.chooseArgs.keys()].sort((a, b) => a - b);
    const names = keys.map((key) => (key === DEFAULT_CHOOSE_ARGS ? '(compat)' : (osd.map.poolName(key) ?? '')));
    if (f === undefined) return reply(names.map((name) => `${name}\n`).join(''));
    f.openArray('weight_sets');
    for (const name of names) f.string('pool', name);
    f.close();
    return reply(f.flush());
  });
  read('osd crush weight-set dump', ({ f }) => {
    const out = formatterOr(f);
    dumpChooseArgs(osd.crushMap, out);
    return reply(out.flush());
  });
  write('osd crush weight-set create', create);
  write('osd crush weight-set create-compat', create);
  write('osd crush weight-set rm', remove);
  write('osd crush weight-set rm-compat', remove);
  write('osd crush weight-set reweight', reweight);
  write('osd crush weight-set reweight-compat', reweight);
}
