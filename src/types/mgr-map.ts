import {
  bool,
  byNumber,
  type Codec,
  list,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u32,
  u64,
  u64num,
} from '../encoding/index.ts';
import { addrTypeName, EntityAddrVec, entityAddrVec } from './entity-addr.ts';
import type { Formatter } from './format/index.ts';
import { dumpAddrVec } from './mon-map.ts';
import { releaseName } from './release.ts';
import { compareText, textMap, textSet } from './text-map.ts';
import { formatUtime, type Utime, utime, utimeZero } from './utime.ts';

/** MgrMap::ModuleOption: an option that a manager module declares. */
export interface MgrModuleOption {
  readonly name: string;
  /** Option::type_t; see {@link MGR_OPTION_TYPES}. */
  readonly type: number;
  /** 0 basic, 1 advanced, 2 dev. */
  readonly level: number;
  readonly flags: number;
  readonly defaultValue: string;
  readonly min: string;
  readonly max: string;
  readonly enumAllowed: readonly string[];
  readonly desc: string;
  readonly longDesc: string;
  readonly tags: readonly string[];
  readonly seeAlso: readonly string[];
}

/** Names of Option::type_t by number. */
export const MGR_OPTION_TYPES = [
  'uint',
  'int',
  'str',
  'float',
  'bool',
  'addr',
  'addrvec',
  'uuid',
  'size',
  'secs',
  'millisecs',
] as const;
const LEVELS = ['basic', 'advanced', 'dev'];

const moduleOption: Codec<MgrModuleOption> = struct(
  'MgrMap::ModuleOption',
  { version: 1, compat: 1 },
  {
    name: string,
    type: u8,
    level: u8,
    flags: u32,
    defaultValue: string,
    min: string,
    max: string,
    enumAllowed: textSet,
    desc: string,
    longDesc: string,
    tags: textSet,
    seeAlso: textSet,
  },
);

/** MgrMap::ModuleInfo: a module that a manager offers. */
export interface MgrModuleInfo {
  readonly name: string;
  readonly canRun: boolean;
  /** Why it cannot. */
  readonly errorString: string;
  readonly moduleOptions: ReadonlyMap<string, MgrModuleOption>;
}

export const mgrModuleInfo: Codec<MgrModuleInfo> = struct(
  'MgrMap::ModuleInfo',
  { version: 2, compat: 1 },
  {
    name: string,
    canRun: bool,
    errorString: string,
    moduleOptions: since(
      2,
      sortedMap(string, moduleOption, compareText) as Codec<ReadonlyMap<string, MgrModuleOption>>,
      (): ReadonlyMap<string, MgrModuleOption> => new Map(),
    ),
  },
);

/** MgrMap::StandbyInfo */
export interface MgrStandbyInfo {
  readonly gid: number;
  readonly name: string;
  readonly availableModules: readonly MgrModuleInfo[];
  readonly features: bigint;
}

const standbyWire = struct(
  'MgrMap::StandbyInfo',
  { version: 4, compat: 1 },
  {
    gid: u64num,
    name: string,
    moduleNames: since(2, textSet, (): readonly string[] => []),
    availableModules: since(3, list(mgrModuleInfo), (): MgrModuleInfo[] => []),
    features: since(4, u64, () => 0n),
  },
);

const standbyInfo: Codec<MgrStandbyInfo> = {
  name: standbyWire.name,
  length_min: standbyWire.length_min,
  encode: (w, s) =>
    standbyWire.encode(w, {
      ...s,
      availableModules: [...s.availableModules],
      moduleNames: uniqueNames(s.availableModules),
    }),
  decode: (r) => {
    const { moduleNames, ...info } = standbyWire.decode(r);
    return info;
  },
};

function uniqueNames(modules: readonly MgrModuleInfo[]): string[] {
  return [...new Set(modules.map((m) => m.name))];
}

/** A RADOS client inside the active manager: its address goes to the blocklist when the manager fails. */
export interface MgrClient {
  readonly name: string;
  readonly addrs: EntityAddrVec;
}

/** MgrMap: which manager is active, which stand by, and what they offer. */
export interface MgrMap {
  readonly epoch: number;
  readonly activeAddrs: EntityAddrVec;
  /** 0: no active one. */
  readonly activeGid: number;
  /** The active one serves. */
  readonly available: boolean;
  readonly activeName: string;
  /** When the active one became so, or was lost. */
  readonly activeChange: Utime;
  readonly activeMgrFeatures: bigint;
  readonly standbys: ReadonlyMap<number, MgrStandbyInfo>;
  /** Enabled modules. */
  readonly modules: readonly string[];
  /** Modules that cannot be disabled, by release number. */
  readonly alwaysOnModules: ReadonlyMap<number, readonly string[]>;
  readonly availableModules: readonly MgrModuleInfo[];
  /** Module name to URI. */
  readonly services: ReadonlyMap<string, string>;
  readonly lastFailureOsdEpoch: number;
  readonly clients: readonly MgrClient[];
}

export const mgrMapEmpty: MgrMap = {
  epoch: 0,
  activeAddrs: EntityAddrVec.empty,
  activeGid: 0,
  available: false,
  activeName: '',
  activeChange: utimeZero,
  activeMgrFeatures: 0n,
  standbys: new Map(),
  modules: [],
  alwaysOnModules: new Map(),
  availableModules: [],
  services: new Map(),
  lastFailureOsdEpoch: 0,
  clients: [],
};

/** Receivers from Nautilus on; before that the map had another layout. */
const wire = struct(
  'MgrMap',
  { version: 12, compat: 6 },
  {
    epoch: u32,
    activeAddrs: entityAddrVec,
    activeGid: u64num,
    available: bool,
    activeName: string,
    standbys: sortedMap(u64num, standbyInfo, byNumber),
    modules: textSet,
    services: textMap,
    availableModules: list(mgrModuleInfo),
    activeChange: since(7, utime, () => utimeZero),
    alwaysOnModules: since(8, sortedMap(u32, textSet, byNumber), (): Map<number, readonly string[]> => new Map()),
    activeMgrFeatures: since(9, u64, () => 0n),
    lastFailureOsdEpoch: since(10, u32, () => 0),
    clientAddrs: since(11, list(entityAddrVec), (): EntityAddrVec[] => []),
    clientNames: since(12, list(string), (): string[] => []),
  },
);

export const mgrMap: Codec<MgrMap> = {
  name: 'MgrMap',
  length_min: 6,
  encode: (w, m) =>
    wire.encode(w, {
      ...m,
      standbys: new Map(m.standbys),
      availableModules: [...m.availableModules],
      alwaysOnModules: new Map(m.alwaysOnModules),
      clientAddrs: m.clients.map((c) => c.addrs),
      clientNames: m.clients.map((c) => c.name),
    }),
  decode(r) {
    if (r.remaining > 0 && r.buffer[r.offset]! < 6) r.fail('a MgrMap from before Nautilus');
    const { clientAddrs, clientNames, ...map } = wire.decode(r);
    return { ...map, clients: clientAddrs.map((addrs, i) => ({ name: clientNames[i] ?? '', addrs })) };
  },
};

/** Modules that cannot be disabled in `releaseNumber`, or in the newest one before it. */
export function mgrAlwaysOnModules(map: MgrMap, releaseNumber: number): readonly string[] {
  const exact = map.alwaysOnModules.get(releaseNumber);
  if (exact !== undefined) return exact;
  const newest = Math.max(...map.alwaysOnModules.keys());
  return newest < releaseNumber ? (map.alwaysOnModules.get(newest) ?? []) : [];
}

function dumpTexts(f: Formatter, section: string, name: string, texts: Iterable<string>): void {
  f.openArray(section);
  for (const text of texts) f.string(name, text);
  f.close();
}

function dumpModule(m: MgrModuleInfo, f: Formatter): void {
  f.openObject('module');
  f.string('name', m.name);
  f.bool('can_run', m.canRun);
  f.string('error_string', m.errorString);
  f.openObject('module_options');
  for (const [name, option] of m.moduleOptions) {
    f.openObject(name);
    f.string('name', option.name);
    f.string('type', MGR_OPTION_TYPES[option.type] ?? 'unknown');
    f.string('level', LEVELS[option.level] ?? 'unknown');
    f.int('flags', option.flags);
    f.string('default_value', option.defaultValue);
    f.string('min', option.min);
    f.string('max', option.max);
    dumpTexts(f, 'enum_allowed', 'value', option.enumAllowed);
    f.string('desc', option.desc);
    f.string('long_desc', option.longDesc);
    dumpTexts(f, 'tags', 'tag', option.tags);
    dumpTexts(f, 'see_also', 'option', option.seeAlso);
    f.close();
  }
  f.close();
  f.close();
}

function dumpModules(f: Formatter, modules: readonly MgrModuleInfo[]): void {
  f.openArray('available_modules');
  for (const m of modules) dumpModule(m, f);
  f.close();
}

function dumpServices(map: MgrMap, f: Formatter): void {
  f.openObject('services');
  for (const [name, uri] of map.services) f.string(name, uri);
  f.close();
}

/** The fields of `ceph mgr dump -f json`. */
export function dumpMgrMap(map: MgrMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.int('active_gid', map.activeGid);
  f.string('active_name', map.activeName);
  dumpAddrVec(f, 'active_addrs', map.activeAddrs);
  f.string('active_addr', map.activeAddrs.legacyText);
  f.string('active_change', formatUtime(map.activeChange));
  f.int('active_mgr_features', map.activeMgrFeatures);
  f.bool('available', map.available);
  f.openArray('standbys');
  for (const standby of map.standbys.values()) {
    f.openObject('standby');
    f.int('gid', standby.gid);
    f.string('name', standby.name);
    f.int('mgr_features', standby.features);
    dumpModules(f, standby.availableModules);
    f.close();
  }
  f.close();
  dumpTexts(f, 'modules', 'module', map.modules);
  dumpModules(f, map.availableModules);
  dumpServices(map, f);
  f.openObject('always_on_modules');
  for (const [number, modules] of map.alwaysOnModules) dumpTexts(f, releaseName(number), 'module', modules);
  f.close();
  f.int('last_failure_osd_epoch', map.lastFailureOsdEpoch);
  f.openArray('active_clients');
  for (const client of map.clients) {
    f.openObject('client');
    f.string('name', client.name);
    f.openArray('addrvec');
    for (const addr of client.addrs.addrs) {
      f.openObject('addr');
      f.string('type', addrTypeName(addr.type));
      f.string('addr', addr.sockaddrText);
      f.int('nonce', addr.nonce);
      f.close();
    }
    f.close();
    f.close();
  }
  f.close();
}

/** What `ceph -s -f json` shows of the map, inside `mgrmap`. */
export function dumpMgrMapSummary(map: MgrMap, f: Formatter): void {
  f.bool('available', map.available);
  f.int('num_standbys', map.standbys.size);
  dumpTexts(f, 'modules', 'module', map.modules);
  dumpServices(map, f);
}
