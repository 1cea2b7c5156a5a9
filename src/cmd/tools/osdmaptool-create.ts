import type { ConfFile } from '../../config/index.ts';
import {
  addNamedBucket,
  addSimpleRule,
  CrushMap,
  DEFAULT_TYPES,
  encodeCrushMap,
  insertItem,
} from '../../crush/index.ts';
import {
  CEPH_FEATURES_ALL,
  OSDMap,
  PgPool,
  pgAutoscaleMode,
  poolFlag,
  poolType,
  type Utime,
  uuidZero,
} from '../../types/index.ts';

/** What is asked of a new map. */
export interface CreateRequest {
  /** Undefined: OSDs are those of the configuration file. */
  readonly osds: number | undefined;
  readonly conf: ConfFile;
  readonly config: ReadonlyMap<string, string>;
  readonly withPool: boolean;
  readonly pgBits: number;
  readonly pgpBits: number;
  readonly now: Utime;
}

const DEFAULT_PROFILE: ReadonlyMap<string, string> = new Map([
  ['k', '2'],
  ['m', '2'],
  ['plugin', 'jerasure'],
  ['technique', 'reed_sol_van'],
]);

/** Ids and locations of the OSDs that have sections in a configuration file. */
function osdsOfConf(conf: ConfFile): { id: number; location: Map<string, string> }[] {
  const found: { id: number; location: Map<string, string> }[] = [];
  for (const [section, own] of conf) {
    const m = /^osd\.(\d+)$/.exec(section);
    if (m === null) continue;
    const value = (name: string): string | undefined => own.get(name) ?? conf.get('osd')?.get(name);
    const location = new Map([
      ['host', value('host') ?? 'unknownhost'],
      ['rack', value('rack') ?? 'unknownrack'],
    ]);
    for (const type of ['row', 'room', 'datacenter']) {
      const name = value(type);
      if (name !== undefined && name !== '') location.set(type, name);
    }
    location.set('root', 'default');
    found.push({ id: Number(m[1]), location });
  }
  return found;
}

function crushMap(osds: readonly { id: number; location: ReadonlyMap<string, string> }[], leafType: number): CrushMap {
  const crush = new CrushMap();
  crush.typeNames = new Map(DEFAULT_TYPES.map((name, id) => [id, name]));
  addNamedBucket(crush, 'default', 'root');
  for (const { id, location } of osds) insertItem(crush, id, 1, `osd.${id}`, location);
  const failureDomain = crush.typeNames.get(leafType) ?? '';
  addSimpleRule(crush, { name: 'replicated_rule', root: 'default', failureDomain, mode: 'firstn' });
  crush.finalize();
  return crush;
}

function defaultPool(q: CreateRequest, maxOsd: number): PgPool {
  const base = maxOsd === 0 ? 1 : maxOsd;
  const size = Number(q.config.get('osd_pool_default_size') ?? 3);
  const minSize = Number(q.config.get('osd_pool_default_min_size') ?? 0);
  const pgNum = base * 2 ** q.pgBits;
  const pgpNum = base * 2 ** Math.min(q.pgBits, q.pgpBits);
  return new PgPool({
    type: poolType.REPLICATED,
    flags: poolFlag.HASHPSPOOL,
    size,
    minSize: minSize === 0 ? size - Math.floor(size / 2) : Math.min(minSize, size),
    pgNum,
    pgNumPending: pgNum,
    pgNumTarget: pgNum,
    pgpNum,
    pgpNumTarget: pgpNum,
    pgAutoscaleMode: pgAutoscaleMode.ON,
    applicationMetadata: new Map([['rbd', new Map()]]),
  });
}

/** A map as a cluster could start with, of epoch 0: OSDs that do not exist yet, in one rack of one host (or as the file says). */
export function createMap(q: CreateRequest): OSDMap {
  const simple = { host: 'localhost', rack: 'localrack', root: 'default' };
  const osds =
    q.osds === undefined
      ? osdsOfConf(q.conf)
      : Array.from({ length: q.osds }, (_, id) => ({ id, location: new Map(Object.entries(simple)) }));
  const maxOsd = q.osds ?? Math.max(0, ...osds.map((osd) => osd.id)) + 1;
  const crush = crushMap(osds, Number(q.config.get('osd_crush_chooseleaf_type') ?? 1));
  const map = new OSDMap({
    fsid: uuidZero,
    created: q.now,
    modified: q.now,
    crushBytes: encodeCrushMap(crush, CEPH_FEATURES_ALL),
    erasureCodeProfiles: new Map([['default', DEFAULT_PROFILE]]),
  }).withMaxOsd(maxOsd);
  if (!q.withPool) return map;
  return map.with({ poolMax: 1, pools: new Map([[1, defaultPool(q, maxOsd)]]), poolNames: new Map([[1, 'rbd']]) });
}
