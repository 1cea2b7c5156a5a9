import { decodeFromBytes, encodeToBytes } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  dumpMonMap,
  EntityAddrVec,
  type Formatter,
  MON_FEATURES_PERSISTENT,
  MON_FEATURES_SUPPORTED,
  MonMap,
  makeMonInfo,
  monFeatureNames,
  monMap,
  monMapSummary,
  printMonMap,
  release,
  releaseName,
  utimeFromMs,
} from '../types/index.ts';
import {
  type CommandCall,
  type CommandRegistry,
  type CommandResult,
  committing,
  done,
  failure,
  reply,
} from './commands/registry.ts';
import type { Monitor } from './monitor.ts';
import { Service, type ServiceContext } from './service.ts';

/** Which monitors there are, and where. */
export class MonmapMonitor extends Service {
  #map: MonMap;
  #pending: MonMap;
  /** `membersChanged`: monitors came, went or moved. */
  onChanged: ((membersChanged: boolean) => void) | undefined;

  /** `seed`: the map that the store was made with; undefined once the first version is committed. */
  constructor(context: ServiceContext, seed: MonMap | undefined) {
    super('monmap', context);
    this.#map = seed ?? new MonMap();
    this.#pending = this.#map;
  }

  get map(): MonMap {
    return this.#map;
  }

  protected override createInitial(): void {
    this.#pending = this.#map.with({
      epoch: 1,
      persistentFeatures: MON_FEATURES_PERSISTENT,
      minMonRelease: release.PACIFIC,
    });
  }

  protected override createPending(): void {
    this.#pending = this.#map.with({
      epoch: this.#map.epoch + 1,
      lastChanged: utimeFromMs(this.context.clock.now()),
      removedRanks: [],
    });
  }

  protected override encodePending(t: StoreTransaction): void {
    this.putVersion(t, this.#pending.epoch, encodeToBytes(monMap, this.#pending));
    this.putLastCommitted(t, this.#pending.epoch);
  }

  protected override updateFromCommitted(): void {
    const bytes = this.getVersion(this.version);
    if (bytes === undefined) return;
    this.#replace(decodeFromBytes(monMap, bytes));
  }

  #replace(map: MonMap): void {
    const before = this.#map;
    this.#map = map;
    const changed =
      before.size !== map.size ||
      map.ranks.some((name, rank) => {
        return before.ranks[rank] !== name || before.mon(name)?.addrs.equals(map.mon(name)!.addrs) !== true;
      });
    this.onChanged?.(changed);
  }

  /** Takes the newer map of another monitor, before it is committed here. */
  adopt(map: MonMap): void {
    this.#map = map;
  }

  #at(epoch: number): MonMap | undefined {
    if (epoch === 0 || epoch === this.#map.epoch) return this.#map;
    const bytes = this.getVersion(epoch);
    return bytes === undefined ? undefined : decodeFromBytes(monMap, bytes);
  }

  registerCommands(commands: CommandRegistry, mon: Monitor): void {
    commands.readLines('mon stat', ({ f }) => this.#stat(f, mon));
    commands.readLines('mon dump', (call) => this.#dump(call, mon));
    commands.read('mon getmap', ({ args }) => {
      const epoch = args.numOr('epoch', 0);
      const map = this.#at(epoch);
      if (map === undefined) return failure('ENOENT', `there is no map for epoch ${epoch}`);
      return reply(encodeToBytes(monMap, map), `got monmap epoch ${map.epoch}`);
    });
    commands.readLines('mon feature ls', ({ args, f }) =>
      this.#features(f, args.optionalStr('with_value') !== undefined),
    );
    // Every monitor here speaks msgr2 from its start.
    commands.read('mon enable-msgr2', () => done(''));
    commands.write('mon add', this, (call) => this.#add(call));
    for (const prefix of ['mon rm', 'mon remove']) {
      commands.write(prefix, this, ({ args }) => {
        const name = args.str('name');
        if (this.#map.mon(name) === undefined) {
          return done(`mon.${name} does not exist or has already been removed`);
        }
        if (this.#map.size === 1) return failure('EINVAL', `error: refusing removal of last monitor ${name}`);
        this.#pending = this.#pending.withoutMon(name);
        const { size } = this.#pending;
        return committing(`removing mon.${name} at ${this.#map.mon(name)!.addrs}, there will be ${size} monitors`);
      });
    }
    commands.write('mon set-rank', this, ({ args }) => {
      const name = args.str('name');
      const old = this.#map.rankOf(name);
      if (old < 0) return failure('ENOENT', `mon.${name} does not exist in monmap`);
      const ranks = this.#map.ranks.filter((other) => other !== name);
      ranks.splice(Math.max(0, args.num('rank')), 0, name);
      if (ranks.indexOf(name) === old) return done('');
      this.#pending = this.#pending.with({ ranks });
      return committing('');
    });
    commands.write('mon set-weight', this, ({ args }) => {
      const name = args.str('name');
      const info = this.#map.mon(name);
      if (info === undefined) return failure('ENOENT', `mon.${name} does not exist`);
      const mons = new Map(this.#pending.mons).set(name, { ...info, weight: args.num('weight') });
      this.#pending = this.#pending.with({ mons });
      return committing('');
    });
    commands.write('mon set-addrs', this, ({ args }) => {
      const name = args.str('name');
      const info = this.#map.mon(name);
      if (info === undefined) return failure('ENOENT', `mon.${name} does not exist`);
      const text = args.str('addrs');
      const addrs = EntityAddrVec.parse(text);
      if (addrs === undefined || addrs.isEmpty) return failure('EINVAL', `failed to parse addrs '${text}'`);
      if (name === mon.id && !addrs.equals(info.addrs)) {
        return failure('EOPNOTSUPP', 'the addresses of a running monitor cannot be changed yet');
      }
      const mons = new Map(this.#pending.mons).set(name, { ...info, addrs });
      this.#pending = this.#pending.with({ mons });
      return committing('');
    });
  }

  /** `mon add NAME ADDR`: an address without a port gets the monitors' own; the new monitor is then started with the cluster's map. */
  #add({ args }: CommandCall): CommandResult {
    const name = args.str('name');
    const text = args.str('addr');
    const addrs = EntityAddrVec.parse(/:\d+(\/|$)/.test(text) ? text : `${text}:3300`);
    if (addrs === undefined || addrs.isEmpty) return failure('EINVAL', `failed to parse addr '${text}'`);
    const known = this.#map.mon(name);
    if (known !== undefined) {
      if (known.addrs.equals(addrs)) return done(`mon.${name} at ${addrs} already exists`);
      return failure('EEXIST', `mon.${name} already exists at address ${known.addrs}`);
    }
    const other = addrs.addrs.map((addr) => this.#map.nameOfAddr(addr)).find((found) => found !== undefined);
    if (other !== undefined) return failure('EEXIST', `mon.${other} already exists with address ${addrs}`);
    this.#pending = this.#pending.withMon(makeMonInfo(name, addrs));
    return committing(`adding mon.${name} at ${addrs}`);
  }

  /** A monitor asks the leader to be let in (MMonJoin); it has shown the monitors' key. */
  join(name: string, addrs: EntityAddrVec): void {
    this.whenWriteable(() => {
      if (addrs.isEmpty || this.#pending.mon(name)?.addrs.equals(addrs) === true) return;
      let map = this.#pending;
      for (const other of [name, ...addrs.addrs.map((addr) => map.nameOfAddr(addr))]) {
        if (other !== undefined && map.mon(other) !== undefined) map = map.withoutMon(other);
      }
      this.#pending = map.withMon(makeMonInfo(name, addrs));
      this.submit();
    });
  }

  #stat(f: Formatter | undefined, mon: Monitor): CommandResult {
    const map = this.#map;
    const { ranks, names, leader } = mon.quorum;
    if (f === undefined) {
      const removed = map.removedRanks.join(',');
      const text = `election epoch ${mon.electionEpoch}, leader ${leader} ${mon.leaderName}, quorum ${ranks.join(',')} ${names.join(',')}`;
      return reply(`${monMapSummary(map)} removed_ranks: {${removed}}, ${text}`);
    }
    f.openObject('monmap');
    dumpSummary(map, f);
    f.string('leader', mon.leaderName);
    f.openArray('quorum');
    ranks.forEach((rank, i) => {
      f.openObject('mon');
      f.int('rank', rank);
      f.string('name', names[i]!);
      f.close();
    });
    f.close();
    f.close();
    return reply(f.flush());
  }

  #dump({ args, f }: CommandCall, mon: Monitor): CommandResult {
    const epoch = args.numOr('epoch', 0);
    const map = this.#at(epoch);
    if (map === undefined) return failure('ENOENT', `there is no map for epoch ${epoch}`);
    const status = `dumped monmap epoch ${map.epoch}`;
    if (f === undefined) return reply(printMonMap(map), status);
    f.openObject('monmap');
    dumpMonMap(map, f);
    f.openArray('quorum');
    for (const rank of mon.quorum.ranks) f.int('mon', rank);
    f.close();
    f.close();
    return reply(f.flush(), status);
  }

  #features(f: Formatter | undefined, withValue: boolean): CommandResult {
    const { persistentFeatures, optionalFeatures, epoch } = this.#map;
    const required = persistentFeatures | optionalFeatures;
    if (f === undefined) {
      const text = (features: bigint): string => `[${monFeatureNames(features, withValue).join(',')}]`;
      return reply(
        `all features\n\tsupported: ${text(MON_FEATURES_SUPPORTED)}\n\tpersistent: ${text(MON_FEATURES_PERSISTENT)}\n` +
          `on current monmap (epoch ${epoch})\n\tpersistent: ${text(persistentFeatures)}\n\trequired: ${text(required)}\n`,
      );
    }
    const dump = (name: string, features: bigint): void => {
      f.openArray(name);
      for (const feature of monFeatureNames(features, withValue)) f.string('feature', feature);
      f.close();
    };
    f.openObject('features');
    f.openObject('all');
    dump('supported', MON_FEATURES_SUPPORTED);
    dump('persistent', MON_FEATURES_PERSISTENT);
    f.close();
    f.openObject('monmap');
    dump('persistent', persistentFeatures);
    dump('optional', optionalFeatures);
    dump('required', required);
    f.close();
    f.close();
    return reply(f.flush());
  }
}

/** What the status shows of the map. */
export function dumpSummary(map: MonMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.string('min_mon_release_name', releaseName(map.minMonRelease));
  f.int('num_mons', map.size);
}
