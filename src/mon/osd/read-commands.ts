import {
  dumpCrushMap,
  dumpRule,
  dumpRules,
  dumpTree,
  dumpTunables,
  leavesOf,
  ruleOp,
  treeTable,
} from '../../crush/index.ts';
import {
  dumpAddrVec,
  dumpOSDMap,
  dumpOSDMapSummary,
  dumpOsd,
  dumpOsdTree,
  dumpPoolsDetail,
  type Formatter,
  formatBytes,
  formatG,
  formatOsd,
  formatPgId,
  formatSi,
  formatUtime,
  type OSDMap,
  type OsdTreeFilter,
  parseOsdId,
  parsePgId,
  printOSDMap,
  printOSDMapSummary,
  printOsdTree,
  printPools,
  releaseName,
  sortedBlocklist,
  TextTable,
  utimeFromMs,
} from '../../types/index.ts';
import { type CommandCall, type CommandRegistry, type CommandResult, failure, reply } from '../commands/registry.ts';
import { formatterOr } from '../kv.ts';
import { countMetadata } from '../metadata.ts';
import type { Monitor } from '../monitor.ts';
import type { OsdMonitor } from './osd-monitor.ts';
import { getPoolVariable } from './pool-get.ts';
import { requirePool } from './pools.ts';

const noEpoch = (epoch: number): CommandResult => failure('ENOENT', `there is no map for epoch ${epoch}`);
const missing = (id: number): CommandResult => failure('ENOENT', `osd.${id} does not exist`);

/** Runs `show` on the map of the epoch asked for. */
function atEpoch(osd: OsdMonitor, { args }: CommandCall, show: (map: OSDMap) => CommandResult): CommandResult {
  const epoch = args.numOr('epoch', 0);
  const map = osd.mapAt(epoch);
  return map === undefined ? noEpoch(epoch) : show(map);
}

function filterOf(states: readonly string[]): OsdTreeFilter | string {
  const has = (state: string): boolean => states.includes(state);
  if (has('in') && has('out')) return "cannot specify both 'in' and 'out'";
  if (['up', 'down', 'destroyed'].filter(has).length > 1) return "can specify only one of 'up', 'down' and 'destroyed'";
  return { up: has('up'), down: has('down'), in: has('in'), out: has('out'), destroyed: has('destroyed') };
}

function list(f: Formatter | undefined, section: string, name: string, items: readonly (string | number)[]): string {
  if (f === undefined) return items.map((item) => `${item}\n`).join('');
  f.openArray(section);
  for (const item of items) {
    if (typeof item === 'number') f.int(name, item);
    else f.string(name, item);
  }
  f.close();
  return f.flush();
}

function mapCommands(commands: CommandRegistry, osd: OsdMonitor): void {
  commands.readLines('osd dump', (call) =>
    atEpoch(osd, call, (map) => {
      const { f } = call;
      if (f === undefined) return reply(printOSDMap(map));
      f.openObject('osdmap');
      dumpOSDMap(map, f);
      f.close();
      return reply(f.flush());
    }),
  );
  commands.read('osd stat', ({ f }) => {
    if (f === undefined) return reply(printOSDMapSummary(osd.map, utimeFromMs(osd.clock.now()), '', true));
    f.openObject('osdmap');
    dumpOSDMapSummary(osd.map, f);
    f.close();
    return reply(f.flush());
  });
  commands.readLines('osd ls', (call) =>
    atEpoch(osd, call, (map) => reply(list(call.f, 'osds', 'osd', [...map.osds()]))),
  );
  commands.readLines('osd ls-tree', (call) =>
    atEpoch(osd, call, (map) => {
      const name = call.args.str('name');
      const id = map.crush.itemId(name);
      if (id === undefined) return failure('ENOENT', `"${name}" does not exist`);
      const osds = id >= 0 ? [id] : leavesOf(map.crush, id);
      const shown = [...new Set(osds)].filter((o) => map.exists(o)).sort((a, b) => a - b);
      return reply(list(call.f, 'osds', 'osd', shown));
    }),
  );
  for (const prefix of ['osd tree', 'osd tree-from']) {
    commands.readLines(prefix, (call) =>
      atEpoch(osd, call, (map) => {
        const { f, args } = call;
        const filter = filterOf(args.list('states'));
        if (typeof filter === 'string') return failure('EINVAL', filter);
        const bucket = args.strOr('bucket', '');
        if (bucket !== '') {
          const id = map.crush.itemId(bucket);
          if (id === undefined) return failure('ENOENT', `bucket '${bucket}' does not exist`);
          if (id >= 0) return failure('EINVAL', `"${bucket}" is not a bucket`);
        }
        if (f === undefined) return reply(printOsdTree(map, filter, bucket));
        f.openObject('tree');
        dumpOsdTree(map, f, filter, bucket);
        f.close();
        return reply(f.flush());
      }),
    );
  }
  commands.read('osd getmap', ({ args }) => {
    const epoch = args.numOr('epoch', 0) || osd.map.epoch;
    const bytes = osd.fullBytes(epoch);
    return bytes === undefined ? noEpoch(epoch) : reply(bytes, `got osdmap epoch ${epoch}`);
  });
  commands.read('osd getcrushmap', (call) =>
    atEpoch(osd, call, (map) => reply(map.crushBytes, String(map.crushVersion))),
  );
  commands.read('osd getmaxosd', ({ f }) => {
    const { map } = osd;
    if (f === undefined) return reply(`max_osd = ${map.maxOsd} in epoch ${map.epoch}\n`);
    f.openObject('getmaxosd');
    f.int('epoch', map.epoch);
    f.int('max_osd', map.maxOsd);
    f.close();
    return reply(f.flush());
  });
  commands.read('osd get-require-min-compat-client', () => reply(`${releaseName(osd.map.requireMinCompatClient)}\n`));
  for (const word of ['blocklist', 'blacklist']) {
    commands.read(`osd ${word} ls`, ({ f }) => {
      const { map } = osd;
      const status = `listed ${map.blocklist.size + map.rangeBlocklist.size} entries`;
      let text = '';
      for (const entries of [map.blocklist, map.rangeBlocklist]) {
        f?.openArray('blocklist');
        for (const { addr, until } of sortedBlocklist(entries)) {
          if (f === undefined) text += `${addr.legacyText} ${formatUtime(until)}\n`;
          else {
            f.openObject('entry');
            f.string('addr', addr.legacyText);
            f.string('until', formatUtime(until));
            f.close();
          }
        }
        f?.close();
      }
      return reply(f === undefined ? text : f.flush(), status);
    });
  }
  commands.readLines('osd erasure-code-profile ls', ({ f }) => {
    const names = [...osd.map.erasureCodeProfiles.keys()].sort();
    return reply(list(f, 'erasure-code-profiles', 'profile', names));
  });
  commands.readLines('osd erasure-code-profile get', ({ args, f }) => {
    const name = args.str('name');
    const profile = osd.map.erasureCodeProfiles.get(name);
    if (profile === undefined) return failure('ENOENT', `unknown erasure code profile '${name}'`);
    const entries = [...profile].sort(([a], [b]) => (a < b ? -1 : 1));
    if (f === undefined) return reply(entries.map(([k, v]) => `${k}=${v}\n`).join(''));
    f.openObject('profile');
    for (const [key, value] of entries) f.string(key, value);
    f.close();
    return reply(f.flush());
  });
}

function daemonCommands(commands: CommandRegistry, osd: OsdMonitor): void {
  commands.read('osd find', (call) => {
    const id = call.args.num('id');
    const { map } = osd;
    if (!map.exists(id)) return missing(id);
    const f = formatterOr(call.f);
    f.openObject('osd_location');
    f.int('osd', id);
    dumpAddrVec(f, 'addrs', map.clientAddrs[id]!);
    f.string('osd_fsid', map.osdUuid[id]!);
    const metadata = osd.metadata.get(id);
    for (const [shown, key] of [
      ['host', 'hostname'],
      ['pod_name', 'pod_name'],
      ['pod_namespace', 'pod_namespace'],
      ['container_name', 'container_name'],
    ] as const) {
      const value = metadata?.get(key);
      if (value !== undefined) f.string(shown, value);
    }
    f.openObject('crush_location');
    for (const [type, name] of [...osd.crush.locationOf(id)].sort(([a], [b]) => (a < b ? -1 : 1))) {
      f.string(type, name);
    }
    f.close();
    f.close();
    return reply(f.flush());
  });
  commands.readLines('osd info', ({ args, f }) => {
    const { map } = osd;
    const only = args.optionalNum('id');
    if (only !== undefined && !map.exists(only)) return missing(only);
    const ids = only === undefined ? [...map.osds()] : [only];
    if (f === undefined) return reply(ids.map((id) => `${formatOsd(map, id)}\n`).join(''));
    if (only === undefined) f.openArray('osds');
    for (const id of ids) dumpOsd(map, id, f);
    if (only === undefined) f.close();
    return reply(f.flush());
  });
  commands.read('osd metadata', (call) => {
    const f = formatterOr(call.f);
    const only = call.args.optionalNum('id');
    if (only !== undefined) {
      if (!osd.map.exists(only)) return missing(only);
      f.openObject('osd_metadata');
      f.int('id', only);
      for (const [key, value] of osd.metadata.get(only) ?? []) f.string(key, value);
      f.close();
      return reply(f.flush());
    }
    f.openArray('osd_metadata');
    for (const id of osd.map.osds()) {
      f.openObject('osd');
      f.int('id', id);
      for (const [key, value] of osd.metadata.get(id) ?? []) f.string(key, value);
      f.close();
    }
    f.close();
    return reply(f.flush());
  });
  const count = (call: CommandCall, property: string): CommandResult => {
    const f = formatterOr(call.f);
    f.openObject(property);
    for (const [value, n] of countMetadata(osd.metadata, osd.map.osds(), property)) f.int(value, n);
    f.close();
    return reply(f.flush());
  };
  commands.read('osd versions', (call) => count(call, 'ceph_version'));
  commands.read('osd count-metadata', (call) => count(call, call.args.str('property')));
  commands.read('osd numa-status', ({ f }) => {
    const table = new TextTable().column('OSD', 'left', 'right').column('HOST', 'left');
    for (const heading of ['NETWORK', 'STORAGE', 'AFFINITY']) table.column(heading, 'right');
    table.column('CPUS', 'left');
    f?.openArray('osds');
    for (const id of osd.map.osds()) {
      const metadata = osd.metadata.get(id);
      if (metadata === undefined) continue;
      const host = metadata.get('hostname') ?? '';
      const of = (key: string): string | undefined => metadata.get(key);
      if (f === undefined) {
        const cell = (key: string): string => of(key) ?? '-';
        table.row(
          id,
          host,
          cell('network_numa_node'),
          cell('objectstore_numa_node'),
          cell('numa_node'),
          cell('numa_node_cpus'),
        );
        continue;
      }
      f.openObject('osd');
      f.int('osd', id);
      f.string('host', host);
      for (const key of ['network_numa_node', 'objectstore_numa_node', 'numa_node']) {
        const node = of(key);
        if (node !== undefined) f.int(key, Number(node));
      }
      f.close();
    }
    f?.close();
    return reply(f === undefined ? table.toString() : f.flush());
  });
}

function placementCommands(commands: CommandRegistry, osd: OsdMonitor): void {
  const braces = (osds: readonly number[]): string => `[${osds.join(',')}]`;
  const dumpOsds = (f: Formatter, name: string, osds: readonly number[]): void => {
    f.openArray(name);
    for (const id of osds) f.int('osd', id);
    f.close();
  };
  commands.readLines('osd map', ({ args, f }) => {
    const { map } = osd;
    const poolName = args.str('pool');
    const object = args.str('object');
    const namespace = args.strOr('nspace', '');
    const pool = map.poolId(poolName);
    if (pool === undefined) return failure('ENOENT', `pool ${poolName} does not exist`);
    const raw = map.objectToPg(pool, object, { namespace })!;
    const pg = { pool, seed: map.pool(pool)!.rawPgToPg(raw.seed) };
    const { up, upPrimary, acting, actingPrimary } = map.pgToUpActing(pg);
    const full = namespace === '' ? object : `${namespace}/${object}`;
    if (f === undefined) {
      return reply(
        `osdmap e${map.epoch} pool '${poolName}' (${pool}) object '${full}' -> pg ${formatPgId(raw)} (${formatPgId(pg)}) -> up (${braces(up)}, p${upPrimary}) acting (${braces(acting)}, p${actingPrimary})`,
      );
    }
    f.openObject('osd_map');
    f.int('epoch', map.epoch);
    f.string('pool', poolName);
    f.int('pool_id', pool);
    f.string('objname', full);
    f.string('raw_pgid', formatPgId(raw));
    f.string('pgid', formatPgId(pg));
    dumpOsds(f, 'up', up);
    f.int('up_primary', upPrimary);
    dumpOsds(f, 'acting', acting);
    f.int('acting_primary', actingPrimary);
    f.close();
    return reply(f.flush());
  });
  commands.read('pg map', ({ args, f }) => {
    const { map } = osd;
    const text = args.str('pgid');
    const raw = parsePgId(text);
    const pool = raw === undefined ? undefined : map.pool(raw.pool);
    if (raw === undefined) return failure('EINVAL', `invalid pgid '${text}'`);
    if (pool === undefined) return failure('ENOENT', `pg '${text}' does not exist`);
    const pg = { pool: raw.pool, seed: pool.rawPgToPg(raw.seed) };
    const { up, acting } = map.pgToUpActing(pg);
    if (f === undefined) {
      return reply(
        `osdmap e${map.epoch} pg ${formatPgId(raw)} (${formatPgId(pg)}) -> up ${braces(up)} acting ${braces(acting)}\n`,
      );
    }
    f.openObject('pg_map');
    f.int('epoch', map.epoch);
    f.string('raw_pgid', formatPgId(raw));
    f.string('pgid', formatPgId(pg));
    dumpOsds(f, 'up', up);
    dumpOsds(f, 'acting', acting);
    f.close();
    return reply(f.flush());
  });
  commands.read('osd utilization', ({ f }) => reply(utilization(osd.map, f)));
}

/** How PGs spread over OSDs: mean, deviation, and what chance would give (Ceph's OSDMap::summarize_mapping_stats). */
function utilization(map: OSDMap, f: Formatter | undefined): string {
  const counts = new Array<number>(map.maxOsd).fill(0);
  for (const [pool, info] of map.pools) {
    for (let seed = 0; seed < info.pgNum; seed++) {
      for (const id of map.pgToUpActing({ pool, seed }).up) if (map.exists(id)) counts[id]!++;
    }
  }
  let inOsds = 0;
  let total = 0;
  let min = -1;
  let max = -1;
  for (const id of map.osds()) {
    if (!map.isIn(id)) continue;
    inOsds++;
    total += counts[id]!;
    if (min < 0 || counts[id]! < counts[min]!) min = id;
    if (max < 0 || counts[id]! > counts[max]!) max = id;
  }
  const mean = inOsds === 0 ? 0 : Math.floor(total / inOsds);
  let deviation = 0;
  for (const id of map.osds()) if (map.isIn(id)) deviation += (mean - counts[id]!) ** 2;
  const stddev = inOsds === 0 ? 0 : Math.sqrt(deviation / inOsds);
  const expected = inOsds === 0 ? 0 : Math.sqrt((total / inOsds) * (1 - 1 / inOsds));
  if (f === undefined) {
    let text = `avg ${mean}\nstddev ${formatG(stddev)} (expected baseline ${formatG(expected)})\n`;
    const share = (id: number): string => formatG(counts[id]! / mean);
    if (min >= 0) text += `min osd.${min} with ${counts[min]} pgs (${share(min)} * mean)\n`;
    if (max >= 0) text += `max osd.${max} with ${counts[max]} pgs (${share(max)} * mean)\n`;
    return text;
  }
  f.openObject('utilization');
  f.int('avg_pgs', mean);
  f.float('std_dev', stddev);
  f.float('expected_baseline_std_dev', expected);
  if (min >= 0) {
    f.int('min_osd', min);
    f.int('min_osd_pgs', counts[min]!);
    f.int('max_osd', max);
    f.int('max_osd_pgs', counts[max]!);
  }
  f.close();
  return f.flush();
}

function poolCommands(commands: CommandRegistry, mon: Monitor): void {
  const { osd } = mon;
  commands.readLines('osd lspools', ({ f }) => {
    const pools = [...osd.map.pools.keys()].map((id) => [id, osd.map.poolName(id) ?? ''] as const);
    if (f === undefined) return reply(pools.map(([id, name]) => `${id} ${name}\n`).join(''));
    f.openArray('pools');
    for (const [id, name] of pools) {
      f.openObject('pool');
      f.int('poolnum', id);
      f.string('poolname', name);
      f.close();
    }
    f.close();
    return reply(f.flush());
  });
  commands.read('osd pool ls', ({ args, f }) => {
    const { map } = osd;
    const detail = args.strOr('detail', '') === 'detail';
    if (detail) {
      if (f === undefined) return reply(printPools(map));
      f.openArray('pools');
      dumpPoolsDetail(map, f);
      f.close();
      return reply(f.flush());
    }
    return reply(
      list(
        f,
        'pools',
        'pool_name',
        [...map.pools.keys()].map((id) => map.poolName(id) ?? ''),
      ),
    );
  });
  commands.read('osd pool get', ({ args, f }) => {
    const name = args.str('pool');
    const id = requirePool(osd, name);
    const ruleName = (rule: number): string => osd.crush.ruleName(rule) ?? String(rule);
    return reply(getPoolVariable(osd.map.pool(id)!, id, name, args.str('var'), ruleName, f));
  });
  commands.read('osd pool get-quota', ({ args, f }) => {
    const name = args.str('pool');
    const id = requirePool(osd, name);
    const pool = osd.map.pool(id)!;
    const usage = osd.poolUsage(id) ?? { bytes: 0, objects: 0 };
    if (f === undefined) {
      const objects =
        pool.quotaMaxObjects === 0
          ? 'N/A'
          : `${formatSi(pool.quotaMaxObjects)} objects  (current num objects: ${usage.objects} objects)`;
      const bytes =
        pool.quotaMaxBytes === 0
          ? 'N/A'
          : `${formatBytes(pool.quotaMaxBytes)}  (current num bytes: ${usage.bytes} bytes)`;
      return reply(`quotas for pool '${name}':\n  max objects: ${objects}\n  max bytes  : ${bytes}\n`);
    }
    f.openObject('pool_quotas');
    f.string('pool_name', name);
    f.int('pool_id', id);
    f.int('quota_max_objects', pool.quotaMaxObjects);
    f.int('current_num_objects', usage.objects);
    f.int('quota_max_bytes', pool.quotaMaxBytes);
    f.int('current_num_bytes', usage.bytes);
    f.close();
    return reply(`${f.flush()}\n`);
  });
  commands.read('osd pool application get', (call) => applications(osd, call));
}

function applications(osd: OsdMonitor, { args, f }: CommandCall): CommandResult {
  const out = formatterOr(f);
  const poolName = args.strOr('pool', '');
  const app = args.strOr('app', '');
  const key = args.strOr('key', '');
  const dumpApp = (name: string, pairs: ReadonlyMap<string, string>): void => {
    out.openObject(name);
    for (const [k, v] of pairs) out.string(k, v);
    out.close();
  };
  if (poolName === '') {
    out.openObject('pools');
    for (const [id, pool] of osd.map.pools) {
      out.openObject(osd.map.poolName(id) ?? '<unknown>');
      for (const [name, pairs] of pool.applicationMetadata) dumpApp(name, pairs);
      out.close();
    }
    out.close();
    return reply(out.flush());
  }
  const pool = osd.map.pool(requirePool(osd, poolName))!;
  if (app === '') {
    out.openObject(poolName);
    for (const [name, pairs] of pool.applicationMetadata) dumpApp(name, pairs);
    out.close();
    return reply(out.flush());
  }
  const pairs = pool.applicationMetadata.get(app);
  if (pairs === undefined) return failure('ENOENT', `pool '${poolName}' has no application '${app}'`);
  if (key === '') {
    dumpApp(app, pairs);
    return reply(out.flush());
  }
  const value = pairs.get(key);
  if (value === undefined) {
    return failure('ENOENT', `application '${app}' on pool '${poolName}' does not have key '${key}'`);
  }
  return reply(`${value}\n`);
}

function crushCommands(commands: CommandRegistry, osd: OsdMonitor): void {
  commands.read('osd crush dump', (call) => {
    const f = formatterOr(call.f);
    f.openObject('crush_map');
    dumpCrushMap(osd.crushMap, f);
    f.close();
    return reply(`${f.flush()}${call.f === undefined ? '' : '\n'}`);
  });
  commands.read('osd crush show-tunables', (call) => {
    const f = formatterOr(call.f);
    f.openObject('crush_map_tunables');
    dumpTunables(osd.crushMap, f);
    f.close();
    return reply(`${f.flush()}\n`);
  });
  commands.read('osd crush get-tunable', ({ f }) => {
    const value = osd.crushMap.tunables.strawCalcVersion;
    if (f === undefined) return reply(`${value}\n`);
    f.openObject('tunable');
    f.int('straw_calc_version', value);
    f.close();
    return reply(f.flush());
  });
  commands.read('osd crush tree', ({ args, f }) => {
    const showShadow = args.strOr('shadow', '') === '--show-shadow';
    const { crushMap, map } = osd;
    if (f === undefined) {
      const { headings, rows } = treeTable(crushMap, map.poolNames, { showShadow });
      const table = new TextTable();
      for (const heading of headings) table.column(heading, 'left', heading === 'TYPE NAME' ? 'left' : 'right');
      for (const row of rows) table.row(...row);
      return reply(table.toString());
    }
    f.openObject('crush_tree');
    dumpTree(crushMap, f, map.poolNames, { showShadow });
    f.close();
    return reply(f.flush());
  });
  commands.read('osd crush ls', ({ args, f }) => {
    const name = args.str('node');
    const id = osd.crush.itemId(name);
    if (id === undefined) return failure('ENOENT', `node '${name}' does not exist`);
    const bucket = osd.crushMap.bucket(id);
    const items = bucket === undefined ? [id] : bucket.items;
    return reply(
      list(
        f,
        'items',
        'item',
        items.map((item) => osd.crush.itemName(item) ?? ''),
      ),
    );
  });
  for (const prefix of ['osd crush rule ls', 'osd crush rule list']) {
    commands.read(prefix, ({ f }) =>
      reply(
        list(
          f,
          'rules',
          'name',
          osd.crush.ruleIds().map((id) => osd.crush.ruleName(id) ?? ''),
        ),
      ),
    );
  }
  commands.read('osd crush rule ls-by-class', ({ args, f }) => {
    const name = args.str('class');
    const classId = osd.crush.classId(name);
    if (classId === undefined) return failure('ENOENT', `failed to get rules by class '${name}'`);
    const shadows = new Set<number>();
    for (const byClass of osd.crushMap.classBuckets.values()) {
      const shadow = byClass.get(classId);
      if (shadow !== undefined) shadows.add(shadow);
    }
    const names: string[] = [];
    for (const id of osd.crush.ruleIds()) {
      const takes = osd.crushMap.rules[id]!.steps.some((s) => s.op === ruleOp.TAKE && shadows.has(s.arg1));
      if (takes) names.push(osd.crush.ruleName(id) ?? '');
    }
    return reply(list(f, 'rules', 'name', names));
  });
  commands.read('osd crush rule dump', (call) => {
    const name = call.args.strOr('name', '');
    const f = formatterOr(call.f);
    if (name === '') {
      f.openArray('rules');
      dumpRules(osd.crushMap, f);
      f.close();
    } else {
      const id = osd.crush.ruleId(name);
      if (id === undefined) return failure('ENOENT', `unknown crush rule '${name}'`);
      dumpRule(osd.crushMap, id, f);
    }
    return reply(`${f.flush()}\n`);
  });
  commands.read('osd crush class ls', (call) => {
    const f = formatterOr(call.f);
    f.openArray('crush_classes');
    for (const name of [...osd.crushMap.classNames].sort(([a], [b]) => a - b)) f.string('class', name[1]);
    f.close();
    return reply(f.flush());
  });
  commands.read('osd crush class ls-osd', ({ args, f }) => {
    const name = args.str('class');
    const members: number[] = [];
    for (const [item] of osd.crushMap.itemClasses) {
      if (item >= 0 && osd.crush.classOf(item) === name) members.push(item);
    }
    return reply(
      list(
        f,
        'osds',
        'osd',
        members.sort((a, b) => a - b),
      ),
    );
  });
  commands.read('osd crush get-device-class', ({ args, f }) => {
    const ids: number[] = [];
    for (const text of args.list('ids')) {
      if (['any', 'all', '*'].includes(text)) {
        ids.push(...osd.map.osds());
        break;
      }
      const id = parseOsdId(text);
      if (id === undefined) return failure('EINVAL', `unable to parse osd id value '${text}'`);
      ids.push(id);
    }
    const classes = ids.map((id) => [id, osd.crush.classOf(id) ?? ''] as const);
    if (f === undefined) {
      const single = classes.length === 1;
      return reply(classes.map(([id, name]) => (single ? `${name}\n` : `osd.${id} ${name}\n`)).join(''));
    }
    f.openArray('osd_device_classes');
    for (const [id, name] of classes) {
      f.openObject('osd_device_class');
      f.int('osd', id);
      f.string('device_class', name);
      f.close();
    }
    f.close();
    return reply(f.flush());
  });
}

export function registerReadCommands(commands: CommandRegistry, mon: Monitor): void {
  mapCommands(commands, mon.osd);
  daemonCommands(commands, mon.osd);
  placementCommands(commands, mon.osd);
  poolCommands(commands, mon);
  crushCommands(commands, mon.osd);
}
