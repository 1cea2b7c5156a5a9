import {
  blob,
  body,
  bool,
  type Codec,
  list,
  optional,
  type Reader,
  since,
  sortedMap,
  string,
  struct,
  u32,
  u64,
  type Writer,
} from '../encoding/index.ts';
import {
  compareText,
  daemonHealthMetric,
  entityAddrVec,
  feature,
  hasFeature,
  healthCheckMap,
  mgrModuleInfo,
  osdPerfQueries,
  osdPerfReports,
  perfCounterType,
  progressEvent,
  textMap,
  uuid,
} from '../types/index.ts';
import { paxos, paxosVersion, rest, structBytes } from './common.ts';
import { defineDataMessage, defineMessage, noBytes } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** `map` is an encoded MgrMap (codec `mgrMap`, with the receiver's features). */
export const MMgrMap = defineMessage(
  messageTypeNumber.MGR_MAP,
  body('mgrmap', { version: 1, compat: 1 }, { map: rest }),
);

/** `map` is an encoded ServiceMap (codec `serviceMap`). */
export const MServiceMap = defineMessage(
  messageTypeNumber.SERVICE_MAP,
  body('service_map', { version: 1, compat: 1 }, { map: rest }),
);

/** MonCommand::FLAG_*. */
export const monCommandFlag = {
  NOFORWARD: 1 << 0,
  OBSOLETE: 1 << 1,
  DEPRECATED: 1 << 2,
  MGR: 1 << 3,
  POLL: 1 << 4,
  HIDDEN: 1 << 5,
} as const;

/** MonCommand: a command as the manager describes its own to the monitor. */
export interface MonCommandDescription {
  cmdstring: string;
  help: string;
  module: string;
  perms: string;
  /** Removed; Ceph writes `cli,rest`. */
  availability: string;
  /** Mask of monCommandFlag. */
  flags: bigint;
}

export const monCommandDescription: Codec<MonCommandDescription> = struct(
  'MonCommand',
  { version: 1, compat: 1 },
  { cmdstring: string, help: string, module: string, perms: string, availability: string, flags: u64 },
);

/** std::set of the modules' names, for monitors from before the list; written from it. */
const moduleNames: Codec<string[]> = {
  name: 'set<string>',
  length_min: 4,
  encode: (w, names) => list(string).encode(w, [...names].sort(compareText)),
  decode: (r) => list(string).decode(r),
};

/** Manager to monitor: I am here. Needs Nautilus or later at both ends. */
export const MMgrBeacon = defineMessage(
  messageTypeNumber.MGR_BEACON,
  body(
    'mgrbeacon',
    { version: 11, compat: 8 },
    {
      paxosVersion,
      serverAddrs: entityAddrVec,
      gid: u64,
      available: bool,
      name: string,
      fsid: uuid,
      /** Names of `modules`. */
      moduleNames,
      commands: list(monCommandDescription),
      metadata: textMap,
      services: textMap,
      modules: list(mgrModuleInfo),
      features: since(9, u64, () => 0n),
      /** Addresses of the RADOS clients inside the manager, to be blocked when it fails. */
      clients: since(10, list(entityAddrVec), () => []),
      /** Their names, in the order of `clients`. */
      clientNames: since(11, list(string), () => []),
    },
  ),
  { defaults: { ...paxos, commands: [], services: new Map(), clients: [], clientNames: [] } },
);

/** Monitor to manager: what `mon_status` and `health` say, as JSON. */
export const MMgrDigest = defineMessage(
  messageTypeNumber.MGR_DIGEST,
  body('mgrdigest', { version: 1, compat: 1 }, { monStatus: blob, health: blob }),
);

/** Manager to monitor. `data` is an encoded PGMapDigest (codec `pgMapDigest`), `serviceMap` an encoded ServiceMap. */
export const MMonMgrReport = defineDataMessage(
  messageTypeNumber.MON_MGR_REPORT,
  body(
    'monmgrreport',
    { version: 3, compat: 1 },
    {
      paxosVersion,
      healthChecks: healthCheckMap,
      serviceMap: blob,
      progressEvents: since(2, sortedMap(string, progressEvent, compareText), () => new Map()),
      gid: since(3, u64, () => 0n),
    },
  ),
  { defaults: { ...paxos, progressEvents: new Map() } },
);

/** What only a service's daemon sends: its metadata and status. */
export interface ServiceDaemonState {
  readonly metadata: ReadonlyMap<string, string>;
  readonly status: ReadonlyMap<string, string>;
}

const serviceDaemon: Codec<ServiceDaemonState | undefined> = optional({
  name: 'service_daemon',
  length_min: 8,
  encode(w: Writer, x: ServiceDaemonState) {
    textMap.encode(w, x.metadata);
    textMap.encode(w, x.status);
  },
  decode: (r: Reader) => ({ metadata: textMap.decode(r), status: textMap.decode(r) }),
});

/** Daemon to manager, first of all. `config` is a map of option to (level to value), `configDefaults` of option to value, both encoded. */
export const MMgrOpen = defineMessage(
  messageTypeNumber.MGR_OPEN,
  body(
    'mgropen',
    { version: 3, compat: 1 },
    {
      daemonName: string,
      /** Empty: the type of the sender's name. */
      serviceName: since(2, string, () => ''),
      /** Of a daemon in the ServiceMap. */
      service: since(2, serviceDaemon, () => undefined),
      config: since(3, blob, () => noBytes),
      configDefaults: since(3, blob, () => noBytes),
    },
  ),
  { defaults: { serviceName: '', service: undefined, config: noBytes, configDefaults: noBytes } },
);

/** A metric message of one kind: u32 type (0 OSD, 1 MDS) and its struct, as bytes. */
export interface MetricMessage {
  readonly type: number;
  readonly payload: Uint8Array;
}

const METRIC_MDS = 1;

/** optional; one for an MDS is left out towards who is older than Pacific. */
const metricMessage: Codec<MetricMessage | undefined> = {
  name: 'optional<MetricMessage>',
  length_min: 1,
  encode(w, m) {
    const sent = m !== undefined && (m.type !== METRIC_MDS || hasFeature(w.features, feature.SERVER_PACIFIC));
    w.bool(sent);
    if (!sent) return;
    w.u32(m.type);
    structBytes.encode(w, m.payload);
  },
  decode(r) {
    if (!r.bool()) return undefined;
    const type = r.u32();
    return { type, payload: structBytes.decode(r) };
  },
};

/** Manager to daemon: how often to report, and what. */
export const MMgrConfigure = defineMessage(
  messageTypeNumber.MGR_CONFIGURE,
  body(
    'mgrconfigure',
    { version: 4, compat: 1 },
    {
      statsPeriod_s: u32,
      /** Least perfPriority of counters to report. */
      statsThreshold: since(2, u32, () => 0),
      osdPerfQueries: since(3, osdPerfQueries, () => []),
      metricConfig: since(4, metricMessage, () => undefined),
    },
  ),
  { defaults: { statsThreshold: 0, osdPerfQueries: [], metricConfig: undefined } },
);

const optionalTexts: Codec<ReadonlyMap<string, string> | undefined> = optional(textMap);

/** Daemon to manager: counters, health metrics, status. */
export const MMgrReport = defineMessage(
  messageTypeNumber.MGR_REPORT,
  body(
    'mgrreport',
    { version: 9, compat: 1 },
    {
      daemonName: string,
      declareTypes: list(perfCounterType),
      /** Values of all declared counters: packPerfCounters. */
      packed: blob,
      undeclareTypes: since(2, list(string), () => []),
      serviceName: since(3, string, () => ''),
      daemonStatus: since(3, optionalTexts, () => undefined),
      healthMetrics: since(5, list(daemonHealthMetric), () => []),
      config: since(6, blob, () => noBytes),
      osdPerfReports: since(7, osdPerfReports, () => []),
      taskStatus: since(8, optionalTexts, () => undefined),
      metricReport: since(9, metricMessage, () => undefined),
    },
  ),
  {
    defaults: {
      declareTypes: [],
      undeclareTypes: [],
      serviceName: '',
      daemonStatus: undefined,
      healthMetrics: [],
      config: noBytes,
      osdPerfReports: [],
      taskStatus: undefined,
      metricReport: undefined,
    },
  },
);

/** Daemon to manager and back: no more. */
export const MMgrClose = defineMessage(
  messageTypeNumber.MGR_CLOSE,
  body('mgrclose', { version: 1, compat: 1 }, { daemonName: string, serviceName: string }),
  { defaults: { serviceName: '' } },
);
