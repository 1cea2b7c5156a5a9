import type { Config, OptionSpec } from '../config/index.ts';
import { byString, decodeFromBytes, encodeToBytes, list, plain, string, u64num } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  type CommandSpec,
  dumpMgrMap,
  EntityAddrVec,
  FLAG_MGR,
  type Formatter,
  healthStatus,
  MGR_OPTION_TYPES,
  type MgrClient,
  type MgrMap,
  type MgrModuleInfo,
  type MgrModuleOption,
  mgrAlwaysOnModules,
  mgrMap,
  mgrMapEmpty,
  parseSignature,
  release,
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
import type { HealthChecks } from './health.ts';
import { formatterOr } from './kv.ts';
import { countMetadata, MetadataTable } from './metadata.ts';
import { Service, type ServiceContext } from './service.ts';

const COMMANDS_TABLE = 'mgr_command_descs';
/** Of a module's option: it takes effect at once (Option::FLAG_RUNTIME). */
const RUNTIME_FLAG = 1;
/** Modules are what this project's manager serves; Ceph's always-on modules are Python programs that it does not run. */
const alwaysOn: ReadonlyMap<number, readonly string[]> = new Map([[release.PACIFIC, []]]);

/** A command that the active manager serves, in the form in which Ceph's monitor keeps it. */
export interface MgrCommand {
  readonly cmdstring: string;
  readonly helpstring: string;
  readonly module: string;
  readonly perm: string;
  readonly flags: number;
}

const mgrCommands = list(
  plain('MonCommand', { cmdstring: string, helpstring: string, module: string, perm: string, flags: u64num }),
);

/** What a manager says of itself every mgr_tick_period (MMgrBeacon). */
export interface MgrBeacon {
  readonly gid: number;
  readonly name: string;
  readonly serverAddrs: EntityAddrVec;
  readonly available: boolean;
  readonly availableModules: readonly MgrModuleInfo[];
  readonly commandDescs: readonly MgrCommand[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly services: ReadonlyMap<string, string>;
  readonly clients: readonly MgrClient[];
  readonly mgrFeatures: bigint;
}

export interface MgrPeers {
  readonly config: Config;
  /** Keeps a failed manager and its clients from writing; returns the OSD map's epoch that does. */
  blocklist(addrs: readonly EntityAddrVec[], seconds: number): number;
  /** OSDs that exist, up or not. */
  osdCount(): number;
  /** Milliseconds since 1970 at which the cluster was made. */
  clusterCreated(): number;
  clog(level: 'debug' | 'info' | 'warn' | 'error', text: string): void;
}

type Pending = { -readonly [K in keyof MgrMap]: MgrMap[K] };

/** Which manager is active: the first that says it is there; another, when its beacons stop for mon_mgr_beacon_grace. */
export class MgrMonitor extends Service {
  #map: MgrMap = mgrMapEmpty;
  #pending: Pending = { ...mgrMapEmpty };
  #commands: readonly CommandSpec[] = [];
  #pendingCommands: readonly MgrCommand[] | undefined;
  readonly metadata: MetadataTable;
  readonly #peers: MgrPeers;
  /** Clock.monotonic() of the last beacon by gid. */
  readonly #beacons = new Map<number, number>();
  #inactiveSince_ms: number | undefined;
  onChanged: (() => void) | undefined;

  constructor(context: ServiceContext, peers: MgrPeers) {
    super('mgr', context);
    this.#peers = peers;
    this.metadata = new MetadataTable('mgr_metadata', context.store);
  }

  get map(): MgrMap {
    return this.#map;
  }

  /** Every manager gets the whole grace from a new leader. */
  override lead(): void {
    this.#beacons.clear();
    super.lead();
  }

  /** Commands that the active manager serves. */
  get commands(): readonly CommandSpec[] {
    return this.#commands;
  }

  protected override createInitial(): void {
    // The default names Ceph's Python modules, which this project's manager does not have: only what the operator chose counts.
    const { config } = this.#peers;
    const chosen = config.sources('mgr_initial_modules').length > 1 ? config.str('mgr_initial_modules') : '';
    const initial = chosen.split(/[\s,]+/);
    this.#pending.modules = initial.filter((m) => m !== '').sort(byString);
    this.#pending.alwaysOnModules = alwaysOn;
  }

  protected override createPending(): void {
    this.#pending = { ...this.#map, epoch: this.#map.epoch + 1 };
    this.#pendingCommands = undefined;
    this.metadata.clearPending();
  }

  protected override encodePending(t: StoreTransaction): void {
    const version = this.#pending.epoch;
    this.putVersion(t, version, encodeToBytes(mgrMap, this.#pending));
    this.putLastCommitted(t, version);
    this.metadata.encodePending(t);
    if (this.#pendingCommands !== undefined) {
      t.put(COMMANDS_TABLE, '', encodeToBytes(mgrCommands, [...this.#pendingCommands]));
    }
  }

  protected override trimTo(): number {
    return Math.max(0, this.#map.epoch - this.#peers.config.num('mon_max_mgrmap_epochs'));
  }

  protected override updateFromCommitted(): void {
    const bytes = this.getVersion(this.version);
    if (bytes === undefined) return;
    this.#map = decodeFromBytes(mgrMap, bytes);
    const commands = this.context.store.get(COMMANDS_TABLE, '');
    this.#commands = commands === undefined ? [] : decodeFromBytes(mgrCommands, commands).map(readCommand);
    if (this.#map.available) this.#inactiveSince_ms = undefined;
    else this.#inactiveSince_ms ??= this.context.clock.now();
    this.onChanged?.();
  }

  /** The option `mgr/MODULE/NAME` as its module declares it. */
  moduleOption(name: string): OptionSpec | undefined {
    const match = /^mgr\/([^/]+)\/(.+)$/.exec(name);
    if (match === null) return undefined;
    // `mgr/MODULE/INSTANCE/NAME` is the option of one manager.
    const last = match[2]!.slice(match[2]!.lastIndexOf('/') + 1);
    const option = this.#map.availableModules.find((m) => m.name === match[1])?.moduleOptions.get(last);
    return option === undefined ? undefined : moduleOptionSpec(name, option);
  }

  *moduleOptionNames(): Iterable<string> {
    for (const module of this.#map.availableModules) {
      for (const name of module.moduleOptions.keys()) yield `mgr/${module.name}/${name}`;
    }
  }

  /** A manager reports. The caller has checked its right to, and that the pending change may be added to. */
  handleBeacon(beacon: MgrBeacon): void {
    const p = this.#pending;
    if (beacon.name === p.activeName && beacon.gid !== p.activeGid) {
      this.#peers.clog('info', `Active manager daemon ${beacon.name} restarted`);
      this.#dropActive();
    }
    for (const standby of p.standbys.values()) {
      if (standby.name === beacon.name && standby.gid !== beacon.gid) {
        this.#peers.clog('debug', `Standby manager daemon ${beacon.name} restarted`);
        this.#dropStandby(standby.gid, true);
        break;
      }
    }
    this.#beacons.set(beacon.gid, this.context.clock.monotonic());
    const changed =
      p.activeGid === beacon.gid
        ? this.#updateActive(beacon)
        : p.activeGid === 0
          ? this.#activate(beacon)
          : this.#updateStandby(beacon);
    if (changed) this.submit();
  }

  #updateActive(beacon: MgrBeacon): boolean {
    const p = this.#pending;
    let changed = false;
    if (!sameMap(p.services, beacon.services)) {
      p.services = beacon.services;
      changed = true;
    }
    if (!p.activeAddrs.equals(beacon.serverAddrs)) {
      p.activeAddrs = beacon.serverAddrs;
      changed = true;
    }
    if (p.available !== beacon.available) {
      this.#peers.clog('info', `Manager daemon ${p.activeName} is now available`);
      // Only this beacon carries the commands.
      this.#pendingCommands = beacon.commandDescs.map((c) => ({ ...c, flags: c.flags | FLAG_MGR }));
      p.available = beacon.available;
      changed = true;
    }
    if (!sameModules(p.availableModules, beacon.availableModules)) {
      p.availableModules = beacon.availableModules;
      changed = true;
    }
    if (!sameClients(p.clients, beacon.clients)) {
      p.clients = beacon.clients;
      changed = true;
    }
    return changed;
  }

  #activate(beacon: MgrBeacon): boolean {
    const p = this.#pending;
    if (p.standbys.has(beacon.gid)) this.#dropStandby(beacon.gid, false);
    this.#beacons.set(beacon.gid, this.context.clock.monotonic());
    p.activeGid = beacon.gid;
    p.activeName = beacon.name;
    p.activeChange = utimeFromMs(this.context.clock.now());
    p.activeMgrFeatures = beacon.mgrFeatures;
    p.availableModules = beacon.availableModules;
    this.metadata.set(beacon.name, beacon.metadata);
    this.#peers.clog('info', `Activating manager daemon ${beacon.name}`);
    return true;
  }

  #updateStandby(beacon: MgrBeacon): boolean {
    const p = this.#pending;
    const standby = p.standbys.get(beacon.gid);
    if (standby !== undefined && sameModules(standby.availableModules, beacon.availableModules)) return false;
    if (standby === undefined) {
      this.#peers.clog('debug', `Standby manager daemon ${beacon.name} started`);
      this.metadata.set(beacon.name, beacon.metadata);
    }
    p.standbys = new Map(p.standbys).set(beacon.gid, {
      gid: beacon.gid,
      name: beacon.name,
      availableModules: beacon.availableModules,
      features: beacon.mgrFeatures,
    });
    return true;
  }

  #dropActive(): void {
    const p = this.#pending;
    this.#beacons.delete(p.activeGid);
    const seconds = this.#peers.config.num('mon_mgr_blocklist_interval');
    p.lastFailureOsdEpoch = this.#peers.blocklist([p.activeAddrs, ...p.clients.map((c) => c.addrs)], seconds);
    this.metadata.remove(p.activeName);
    p.activeName = '';
    p.activeGid = 0;
    p.activeChange = utimeFromMs(this.context.clock.now());
    p.activeMgrFeatures = 0n;
    p.available = false;
    p.activeAddrs = EntityAddrVec.empty;
    p.services = new Map();
    p.clients = [];
  }

  #dropStandby(gid: number, withMetadata: boolean): void {
    const p = this.#pending;
    const standby = p.standbys.get(gid);
    if (withMetadata && standby !== undefined) this.metadata.remove(standby.name);
    const standbys = new Map(p.standbys);
    standbys.delete(gid);
    p.standbys = standbys;
    this.#beacons.delete(gid);
  }

  #promoteStandby(): boolean {
    const p = this.#pending;
    const next = p.standbys.values().next().value;
    if (next === undefined) return false;
    const seen = this.#beacons.get(next.gid);
    this.#dropStandby(next.gid, false);
    if (seen !== undefined) this.#beacons.set(next.gid, seen);
    p.activeGid = next.gid;
    p.activeName = next.name;
    p.availableModules = next.availableModules;
    p.activeMgrFeatures = next.features;
    p.available = false;
    p.activeAddrs = EntityAddrVec.empty;
    p.activeChange = utimeFromMs(this.context.clock.now());
    return true;
  }

  override tick(): void {
    if (!this.isWriteable) return;
    const p = this.#pending;
    const now_ms = this.context.clock.monotonic();
    const grace_ms = this.#peers.config.num('mon_mgr_beacon_grace') * 1000;
    const silent = (gid: number): boolean => {
      const seen = this.#beacons.get(gid);
      // After a restart of this monitor everybody gets the whole grace.
      if (seen === undefined) this.#beacons.set(gid, now_ms);
      return seen !== undefined && now_ms - seen > grace_ms;
    };
    let changed = false;
    for (const standby of [...p.standbys.values()]) {
      if (!silent(standby.gid)) continue;
      this.#peers.clog('info', `Standby manager daemon ${standby.name} is unresponsive`);
      this.#dropStandby(standby.gid, true);
      changed = true;
    }
    if (p.activeGid !== 0 && silent(p.activeGid)) {
      const lost = p.activeName;
      this.#dropActive();
      changed = true;
      if (this.#promoteStandby()) {
        this.#peers.clog(
          'info',
          `Manager daemon ${lost} is unresponsive, replacing it with standby daemon ${p.activeName}`,
        );
      } else this.#peers.clog('info', `Manager daemon ${lost} is unresponsive.  No standby daemons available.`);
    } else if (p.activeGid === 0 && this.#promoteStandby()) {
      this.#peers.clog('info', `Activating manager daemon ${p.activeName}`);
      changed = true;
    }
    if (changed) this.submit();
  }

  checks(): HealthChecks {
    const checks: HealthChecks = new Map();
    if (this.#map.activeGid !== 0 || this.#peers.osdCount() === 0) return checks;
    const { config } = this.#peers;
    const now_ms = this.context.clock.now();
    if (now_ms <= this.#peers.clusterCreated() + config.num('mon_mgr_mkfs_grace') * 1000) return checks;
    const since_ms = this.#inactiveSince_ms ?? now_ms;
    const long = now_ms - since_ms > config.num('mon_mgr_inactive_grace') * 1000;
    const severity = long ? healthStatus.ERR : healthStatus.WARN;
    checks.set('MGR_DOWN', { severity, summary: 'no active mgr', detail: [], count: 0 });
    return checks;
  }

  /** Names of the active manager and its standbys, sorted. */
  names(): string[] {
    const names = new Set([...this.#map.standbys.values()].map((s) => s.name));
    if (this.#map.activeName !== '') names.add(this.#map.activeName);
    return [...names].sort(byString);
  }

  registerCommands(commands: CommandRegistry): void {
    commands.read('mgr stat', (call) =>
      this.#formatted(call, (f) => {
        f.openObject('stat');
        f.int('epoch', this.#map.epoch);
        f.bool('available', this.#map.available);
        f.string('active_name', this.#map.activeName);
        f.int('num_standby', this.#map.standbys.size);
        f.close();
      }),
    );
    commands.read('mgr dump', (call) => {
      const epoch = call.args.numOr('epoch', 0) || this.#map.epoch;
      const bytes = epoch === this.#map.epoch ? undefined : this.getVersion(epoch);
      if (epoch !== this.#map.epoch && bytes === undefined) {
        return failure('ENOENT', `there is no map for epoch ${epoch}`);
      }
      const shown = bytes === undefined ? this.#map : decodeFromBytes(mgrMap, bytes);
      return this.#formatted(call, (f) => {
        f.openObject('mgrmap');
        dumpMgrMap(shown, f);
        f.close();
      });
    });
    commands.read('mgr services', (call) =>
      this.#formatted(call, (f) => {
        f.openObject('services');
        for (const [name, uri] of this.#map.services) f.string(name, uri);
        f.close();
      }),
    );
    commands.read('mgr module ls', (call) => this.#formatted(call, (f) => this.#dumpModules(f)));
    commands.read('mgr metadata', (call) => {
      const who = call.args.strOr('who', '');
      if (who !== '' && !this.names().includes(who)) return failure('ENOENT', `mgr.${who} does not exist`);
      return this.#formatted(call, (f) => {
        if (who === '') f.openArray('mgr_metadata');
        for (const name of who === '' ? this.names() : [who]) {
          f.openObject(who === '' ? 'mgr' : 'mgr_metadata');
          f.string('name', name);
          for (const [key, value] of this.metadata.get(name) ?? []) f.string(key, value);
          f.close();
        }
        if (who === '') f.close();
      });
    });
    commands.read('mgr versions', (call) => this.#counted(call, 'ceph_version'));
    commands.read('mgr count-metadata', (call) => this.#counted(call, call.args.str('property')));
    commands.write('mgr fail', this, (call) => this.#fail(call));
    commands.write('mgr module enable', this, (call) => this.#enableModule(call));
    commands.write('mgr module disable', this, ({ args }) => {
      const module = args.str('module');
      if (!this.#map.modules.includes(module)) return done(`module '${module}' is already disabled`);
      this.#pending.modules = this.#map.modules.filter((m) => m !== module);
      return committing('');
    });
  }

  #formatted({ f }: CommandCall, fill: (f: Formatter) => void): CommandResult {
    const out = formatterOr(f);
    fill(out);
    return reply(out.flush());
  }

  #counted(call: CommandCall, property: string): CommandResult {
    return this.#formatted(call, (f) => {
      f.openObject(property);
      for (const [value, n] of countMetadata(this.metadata, this.names(), property)) f.int(value, n);
      f.close();
    });
  }

  #dumpModules(f: Formatter): void {
    const always = mgrAlwaysOnModules(this.#map, release.PACIFIC);
    f.openObject('modules');
    f.openArray('always_on_modules');
    for (const m of always) f.string('module', m);
    f.close();
    f.openArray('enabled_modules');
    for (const m of this.#map.modules) if (!always.includes(m)) f.string('module', m);
    f.close();
    f.openArray('disabled_modules');
    for (const m of this.#map.availableModules) {
      if (this.#map.modules.includes(m.name) || always.includes(m.name)) continue;
      f.openObject('module');
      f.string('name', m.name);
      f.bool('can_run', m.canRun);
      f.string('error_string', m.errorString);
      f.close();
    }
    f.close();
    f.close();
  }

  #fail({ args }: CommandCall): CommandResult {
    const p = this.#pending;
    const who = args.strOr('who', this.#map.activeName);
    if (who === '') return done('Currently no active mgr');
    const gid = /^\d+$/.test(who) ? Number(who) : undefined;
    const standby = [...p.standbys.values()].find((s) => s.name === who || s.gid === gid);
    if (p.activeName === who || (gid !== undefined && p.activeGid === gid)) {
      this.#dropActive();
      this.#promoteStandby();
    } else if (standby !== undefined) this.#dropStandby(standby.gid, true);
    else return done(`Daemon not found '${who}', already failed?`);
    return committing('');
  }

  #enableModule({ args }: CommandCall): CommandResult {
    const module = args.str('module');
    const forced = args.strOr('force', '') === '--force';
    if (this.#map.modules.includes(module)) return done(`module '${module}' is already enabled`);
    const info = this.#map.availableModules.find((m) => m.name === module);
    if (info === undefined && !forced) {
      return failure('ENOENT', `all mgr daemons do not support module '${module}', pass --force to force enablement`);
    }
    if (info !== undefined && !info.canRun && !forced) {
      return failure(
        'ENOENT',
        `module '${module}' reports that it cannot run on the active manager daemon: ${info.errorString} (pass --force to force enablement)`,
      );
    }
    this.#pending.modules = [...this.#map.modules, module].sort(byString);
    return committing('');
  }
}

/** A command as MMgrBeacon has it: words, and arguments as `name=pool,type=CephPoolname,req=false`. */
function readCommand(c: MgrCommand): CommandSpec {
  const words: string[] = [];
  const args: CommandSpec['args'][number][] = [];
  for (const word of c.cmdstring.split(/\s+/)) {
    if (!/[,=]/.test(word)) {
      if (word !== '') words.push(word);
      continue;
    }
    const fields = new Map<string, string>();
    // A range or a set of characters may hold commas of its own: only `,key=` starts a field.
    for (const part of word.split(/,(?=[a-z_]+=)/)) {
      const at = part.indexOf('=');
      fields.set(at < 0 ? part : part.slice(0, at), at < 0 ? 'true' : part.slice(at + 1));
    }
    const base = parseSignature('x:String')[0]!;
    const optional = (key: 'strings' | 'range' | 'goodchars'): Record<string, string> => {
      const value = fields.get(key);
      return value === undefined ? {} : { [key]: value };
    };
    args.push({
      ...base,
      name: fields.get('name') ?? '',
      type: (fields.get('type') ?? 'CephString') as CommandSpec['args'][number]['type'],
      required: (fields.get('req') ?? 'true').toLowerCase() !== 'false',
      many: fields.get('n') === 'N',
      ...optional('strings'),
      ...optional('range'),
      ...optional('goodchars'),
    });
  }
  return { prefix: words.join(' '), args, module: c.module, perm: c.perm, flags: c.flags, help: c.helpstring };
}

function sameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

function sameModules(a: readonly MgrModuleInfo[], b: readonly MgrModuleInfo[]): boolean {
  return (
    a.length === b.length &&
    a.every((m, i) => {
      const other = b[i]!;
      return m.name === other.name && m.canRun === other.canRun && m.errorString === other.errorString;
    })
  );
}

function sameClients(a: readonly MgrClient[], b: readonly MgrClient[]): boolean {
  return a.length === b.length && a.every((c, i) => c.name === b[i]!.name && c.addrs.equals(b[i]!.addrs));
}

function moduleOptionSpec(name: string, option: MgrModuleOption): OptionSpec {
  const bound = (text: string): number | undefined => (text === '' ? undefined : Number(text));
  return {
    name,
    type: (MGR_OPTION_TYPES[option.type] ?? 'str') as OptionSpec['type'],
    level: (['basic', 'advanced', 'dev'] as const)[option.level] ?? 'unknown',
    default: option.defaultValue,
    daemonDefault: undefined,
    min: bound(option.min),
    max: bound(option.max),
    enumValues: option.enumAllowed,
    flags: [],
    services: ['mgr'],
    runtime: (option.flags & RUNTIME_FLAG) !== 0,
  };
}
