import { type Codec, since, sortedMap, string, struct, u32, u64num } from '../encoding/index.ts';
import { type EntityAddr, entityAddr } from './entity-addr.ts';
import type { Formatter } from './format/index.ts';
import { compareText, textMap } from './text-map.ts';
import { formatUtime, type Utime, utime, utimeZero } from './utime.ts';

/** ServiceMap::Daemon: one instance of a service that is not a Ceph daemon itself (a gateway, a mirror). */
export interface ServiceDaemon {
  readonly gid: number;
  readonly addr: EntityAddr;
  readonly startEpoch: number;
  readonly startStamp: Utime;
  readonly metadata: ReadonlyMap<string, string>;
  readonly taskStatus: ReadonlyMap<string, string>;
}

export interface Service {
  readonly daemons: ReadonlyMap<string, ServiceDaemon>;
  /** Text for `ceph -s`; empty: made of the daemons. */
  readonly summary: string;
}

/** ServiceMap: what registered with the managers. */
export interface ServiceMap {
  readonly epoch: number;
  readonly modified: Utime;
  readonly services: ReadonlyMap<string, Service>;
}

export const serviceMapEmpty: ServiceMap = { epoch: 0, modified: utimeZero, services: new Map() };

const daemon: Codec<ServiceDaemon> = struct(
  'ServiceMap::Daemon',
  { version: 2, compat: 1 },
  {
    gid: u64num,
    addr: entityAddr,
    startEpoch: u32,
    startStamp: utime,
    metadata: textMap,
    taskStatus: since(2, textMap, (): ReadonlyMap<string, string> => new Map()),
  },
);

const service: Codec<Service> = struct(
  'ServiceMap::Service',
  { version: 1, compat: 1 },
  {
    daemons: sortedMap(string, daemon, compareText) as Codec<ReadonlyMap<string, ServiceDaemon>>,
    summary: string,
  },
);

export const serviceMap: Codec<ServiceMap> = struct(
  'ServiceMap',
  { version: 1, compat: 1 },
  {
    epoch: u32,
    modified: utime,
    services: sortedMap(string, service, compareText) as Codec<ReadonlyMap<string, Service>>,
  },
);

/** The fields of `ceph service dump -f json`. */
export function dumpServiceMap(map: ServiceMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.string('modified', formatUtime(map.modified));
  f.openObject('services');
  for (const [name, s] of map.services) {
    f.openObject(name);
    f.openObject('daemons');
    f.string('summary', s.summary);
    for (const [id, d] of s.daemons) {
      f.openObject(id);
      f.int('start_epoch', d.startEpoch);
      f.string('start_stamp', formatUtime(d.startStamp));
      f.int('gid', d.gid);
      f.string('addr', d.addr.legacyText);
      dumpTextMap(f, 'metadata', d.metadata);
      dumpTextMap(f, 'task_status', d.taskStatus);
      f.close();
    }
    f.close();
    f.close();
  }
  f.close();
}

function dumpTextMap(f: Formatter, name: string, map: ReadonlyMap<string, string>): void {
  f.openObject(name);
  for (const [key, value] of map) f.string(key, value);
  f.close();
}

/** Text of one service for `ceph -s`: `3 gateways active (1 hosts)`. */
export function serviceSummary(s: Service): string {
  if (s.summary !== '') return s.summary;
  if (s.daemons.size === 0) return 'no daemons active';
  let type = 'daemon';
  const groups = new Map<string, Set<string>>();
  for (const d of s.daemons.values()) {
    type = d.metadata.get('daemon_type') ?? type;
    for (const [group, key] of [
      ['host', 'hostname'],
      ['zone', 'zone_id'],
    ] as const) {
      const value = d.metadata.get(key);
      if (value === undefined) continue;
      const values = groups.get(group) ?? new Set();
      groups.set(group, values.add(value));
    }
  }
  const count = `${s.daemons.size} ${type}${s.daemons.size > 1 ? 's' : ''} active`;
  if (groups.size === 0) return count;
  const parts = [...groups].sort((a, b) => compareText(a[0], b[0])).map(([group, set]) => `${set.size} ${group}s`);
  return `${count} (${parts.join(', ')})`;
}
