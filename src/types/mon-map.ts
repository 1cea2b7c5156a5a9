import {
  between,
  bool,
  byNumber,
  type Codec,
  list,
  s32,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u16,
  u32,
} from '../encoding/index.ts';
import {
  addrTypeName,
  compareEntityAddr,
  type EntityAddr,
  EntityAddrVec,
  entityAddr,
  entityAddrVec,
} from './entity-addr.ts';
import { feature, hasFeature } from './features.ts';
import type { Formatter } from './format/index.ts';
import { monFeature, monFeatureNames, monFeatureSet, releaseFromMonFeatures } from './mon-feature.ts';
import { releaseName } from './release.ts';
import { compareText, formatTextMap, textMap } from './text-map.ts';
import { formatUtime, formatUtimeGm, type Utime, utime, utimeZero } from './utime.ts';
import { type Uuid, uuid, uuidZero } from './uuid.ts';

/** One monitor of a MonMap. */
export interface MonInfo {
  readonly name: string;
  readonly addrs: EntityAddrVec;
  /** Lower is preferred by clients. */
  readonly priority: number;
  readonly weight: number;
  readonly crushLocation: ReadonlyMap<string, string>;
}

export function makeMonInfo(name: string, addrs: EntityAddrVec, extra: Partial<MonInfo> = {}): MonInfo {
  return { name, addrs, priority: 0, weight: 0, crushLocation: new Map(), ...extra };
}

/** To those before Nautilus its v1 address, or the first one said to be v1. */
const publicAddrs: Codec<EntityAddrVec> = {
  name: 'entity_addrvec_t',
  length_min: 5,
  encode(w, addrs) {
    if (hasFeature(w.features, feature.SERVER_NAUTILUS)) entityAddrVec.encode(w, addrs);
    else entityAddr.encode(w, addrs.legacy.type === 0 ? addrs.asLegacy : addrs.legacy);
  },
  decode: (r) => entityAddrVec.decode(r),
};

const monInfo: Codec<MonInfo> = struct(
  'mon_info_t',
  {
    version: 5,
    compat: 1,
    forFeatures: (f) => ({ version: hasFeature(f, feature.SERVER_NAUTILUS) ? 5 : 2, compat: 1 }),
  },
  {
    name: string,
    addrs: publicAddrs,
    priority: since(2, u16, () => 0),
    weight: since(4, u16, () => 0),
    crushLocation: since(5, textMap, () => new Map<string, string>()),
  },
);

/** How a leader is found: election_strategy. */
export const electionStrategy = { CLASSIC: 1, DISALLOW: 2, CONNECTIVITY: 3 } as const;

/** Data of a {@link MonMap}. */
export interface MonMapFields {
  readonly fsid: Uuid;
  readonly epoch: number;
  readonly lastChanged: Utime;
  readonly created: Utime;
  /** Bits of monFeature. */
  readonly persistentFeatures: bigint;
  readonly optionalFeatures: bigint;
  readonly mons: ReadonlyMap<string, MonInfo>;
  /** Names by rank. */
  readonly ranks: readonly string[];
  /** Release that every monitor is at least of. */
  readonly minMonRelease: number;
  /** Ranks that went with this epoch. */
  readonly removedRanks: readonly number[];
  /** One of {@link electionStrategy}. */
  readonly strategy: number;
  /** Names, sorted. */
  readonly disallowedLeaders: readonly string[];
  readonly stretchModeEnabled: boolean;
  readonly tiebreakerMon: string;
  readonly stretchMarkedDownMons: readonly string[];
}

const noAddrs = (): Map<string, EntityAddr> => new Map();
const noNames = (): string[] => [];

const wire = struct(
  'MonMap',
  {
    version: 9,
    compat: 6,
    forFeatures: (f) =>
      hasFeature(f, feature.SERVER_NAUTILUS) ? { version: 9, compat: 6 } : { version: 5, compat: 3 },
  },
  {
    fsid: uuid,
    epoch: u32,
    legacyAddrs: between(2, 6, sortedMap(string, entityAddr, compareText), noAddrs),
    lastChanged: utime,
    created: utime,
    persistentFeatures: since(4, monFeatureSet, () => 0n),
    optionalFeatures: since(4, monFeatureSet, () => 0n),
    mons: since(5, sortedMap(string, monInfo, compareText), (): Map<string, MonInfo> => new Map()),
    ranks: since(6, list(string), noNames),
    minMonRelease: since(7, u8, () => -1),
    removedRanks: since(8, list(s32), (): number[] => []),
    strategy: since(8, u8, () => electionStrategy.CLASSIC as number),
    disallowedLeaders: since(8, list(string), noNames),
    stretchModeEnabled: since(9, bool, () => false),
    tiebreakerMon: since(9, string, () => ''),
    stretchMarkedDownMons: since(9, list(string), noNames),
  },
);

const WithFields = class {
  constructor(fields: MonMapFields) {
    Object.assign(this, fields);
  }
} as new (
  fields: MonMapFields,
) => MonMapFields;

/** The monitors of a cluster, of one epoch. A value. */
export class MonMap extends WithFields {
  constructor(fields: Partial<MonMapFields> = {}) {
    super({
      fsid: uuidZero,
      epoch: 0,
      lastChanged: utimeZero,
      created: utimeZero,
      persistentFeatures: 0n,
      optionalFeatures: 0n,
      mons: new Map(),
      ranks: [],
      minMonRelease: 0,
      removedRanks: [],
      strategy: electionStrategy.CLASSIC,
      disallowedLeaders: [],
      stretchModeEnabled: false,
      tiebreakerMon: '',
      stretchMarkedDownMons: [],
      ...fields,
    });
  }

  with(changes: Partial<MonMapFields>): MonMap {
    return new MonMap({ ...this, ...changes });
  }

  /** With one more monitor: as the last rank, or before Nautilus where its address sorts. */
  withMon(info: MonInfo): MonMap {
    const mons = new Map(this.mons).set(info.name, info);
    return this.with({ mons, ranks: [...this.ranks, info.name] }).#ranked();
  }

  /** Without a monitor; the ranks after it move up, and its rank is noted as removed. */
  withoutMon(name: string): MonMap {
    const mons = new Map(this.mons);
    mons.delete(name);
    const rank = this.rankOf(name);
    return this.with({
      mons,
      ranks: this.ranks.filter((other) => other !== name),
      removedRanks: rank < 0 ? this.removedRanks : [...new Set([...this.removedRanks, rank])].sort(byNumber),
      disallowedLeaders: this.disallowedLeaders.filter((other) => other !== name),
    }).#ranked();
  }

  #ranked(): MonMap {
    const required = this.persistentFeatures | this.optionalFeatures;
    return (required & monFeature.NAUTILUS) === 0n ? this.withLegacyRanks() : this;
  }

  /** With ranks in the order of addresses (the v1 one, or the first), as they were before Nautilus and are in a seed map. */
  withLegacyRanks(): MonMap {
    const infos = [...this.mons.values()].sort(
      (a, b) => compareEntityAddr(a.addrs.legacyOrFront, b.addrs.legacyOrFront) || compareText(a.name, b.name),
    );
    return this.with({ ranks: infos.map((info) => info.name) });
  }

  get size(): number {
    return this.mons.size;
  }

  /** -1 where there is no monitor of that name. */
  rankOf(name: string): number {
    return this.ranks.indexOf(name);
  }

  mon(nameOrRank: string | number): MonInfo | undefined {
    const name = typeof nameOrRank === 'number' ? this.ranks[nameOrRank] : nameOrRank;
    return name === undefined ? undefined : this.mons.get(name);
  }

  /** The monitor that has `addr` among its addresses. */
  nameOfAddr(addr: EntityAddr): string | undefined {
    for (const info of this.mons.values()) if (info.addrs.contains(addr)) return info.name;
    return undefined;
  }
}

export const monMap: Codec<MonMap> = {
  name: 'MonMap',
  length_min: 6,
  encode(w, map) {
    const legacyAddrs = new Map([...map.mons].map(([name, info]) => [name, info.addrs.legacy]));
    wire.encode(w, {
      ...map,
      legacyAddrs,
      mons: new Map(map.mons),
      ranks: [...map.ranks],
      removedRanks: [...map.removedRanks].sort(byNumber),
      disallowedLeaders: [...map.disallowedLeaders].sort(compareText),
      stretchMarkedDownMons: [...map.stretchMarkedDownMons].sort(compareText),
    });
  },
  decode(r) {
    const { legacyAddrs, ...fields } = wire.decode(r);
    if (fields.mons.size === 0) {
      for (const [name, addr] of legacyAddrs) fields.mons.set(name, makeMonInfo(name, EntityAddrVec.of(addr)));
    }
    if (fields.ranks.length === 0) fields.ranks = [...fields.mons.keys()];
    if (fields.minMonRelease < 0) fields.minMonRelease = releaseFromMonFeatures(fields.persistentFeatures);
    for (const name of fields.ranks) if (!fields.mons.has(name)) r.fail(`rank of an unknown monitor ${name}`);
    return new MonMap(fields);
  },
};

/** `{"addrvec": [{"type": "v2", "addr": "127.0.0.1:3300", "nonce": 0}, ...]}` under `name`. */
export function dumpAddrVec(f: Formatter, name: string, addrs: EntityAddrVec): void {
  f.openObject(name);
  f.openArray('addrvec');
  for (const addr of addrs.addrs) {
    f.openObject('addr');
    f.string('type', addrTypeName(addr.type));
    f.string('addr', addr.sockaddrText);
    f.int('nonce', addr.nonce);
    f.close();
  }
  f.close();
  f.close();
}

/** The fields of `ceph mon dump -f json`, without the quorum. */
export function dumpMonMap(map: MonMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.string('fsid', map.fsid);
  f.string('modified', formatUtimeGm(map.lastChanged));
  f.string('created', formatUtimeGm(map.created));
  f.int('min_mon_release', map.minMonRelease);
  f.string('min_mon_release_name', releaseName(map.minMonRelease));
  f.int('election_strategy', map.strategy);
  // The colons are Ceph's.
  f.string('disallowed_leaders: ', map.disallowedLeaders.join(','));
  f.bool('stretch_mode', map.stretchModeEnabled);
  f.string('tiebreaker_mon', map.tiebreakerMon);
  f.string('removed_ranks: ', map.removedRanks.join(','));
  f.openObject('features');
  dumpFeatures(f, 'persistent', map.persistentFeatures);
  dumpFeatures(f, 'optional', map.optionalFeatures);
  f.close();
  f.openArray('mons');
  for (const [rank, name] of map.ranks.entries()) {
    const info = map.mons.get(name)!;
    f.openObject('mon');
    f.int('rank', rank);
    f.string('name', name);
    dumpAddrVec(f, 'public_addrs', info.addrs);
    f.string('addr', info.addrs.legacyText);
    f.string('public_addr', info.addrs.legacyText);
    f.int('priority', info.priority);
    f.int('weight', info.weight);
    f.string('crush_location', formatTextMap(info.crushLocation));
    f.close();
  }
  f.close();
}

function dumpFeatures(f: Formatter, name: string, features: bigint): void {
  f.openArray(name);
  for (const text of monFeatureNames(features)) f.string('bit_flag', text);
  f.close();
}

/** Plain `ceph mon dump`. */
export function printMonMap(map: MonMap): string {
  const lines = [
    `epoch ${map.epoch}`,
    `fsid ${map.fsid}`,
    `last_changed ${formatUtime(map.lastChanged)}`,
    `created ${formatUtime(map.created)}`,
    `min_mon_release ${map.minMonRelease} (${releaseName(map.minMonRelease)})`,
    `election_strategy: ${map.strategy}`,
  ];
  if (map.stretchModeEnabled) {
    lines.push(`stretch_mode_enabled 1`, `tiebreaker_mon ${map.tiebreakerMon}`);
  }
  if (map.stretchModeEnabled || map.disallowedLeaders.length > 0) {
    lines.push(`disallowed_leaders ${map.disallowedLeaders.join(',')}`);
  }
  for (const [rank, name] of map.ranks.entries()) {
    const info = map.mons.get(name)!;
    const location = info.crushLocation.size > 0 ? `; crush_location ${formatTextMap(info.crushLocation)}` : '';
    lines.push(`${rank}: ${info.addrs} mon.${name}${location}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** `e1: 1 mons at {a=[v2:...]}` */
export function monMapSummary(map: MonMap): string {
  const mons = [...map.mons.values()].sort((a, b) => compareText(a.name, b.name));
  return `e${map.epoch}: ${mons.length} mons at {${mons.map((m) => `${m.name}=${m.addrs}`).join(',')}}`;
}
