import { type ConfFile, Config, parseConf } from '../../config/index.ts';
import {
  adjustItemWeight,
  CrushMap,
  decodeCrushMap,
  encodeCrushMap,
  itemWeight,
  weightToFixed,
} from '../../crush/index.ts';
import { decodeText } from '../../encoding/index.ts';
import {
  CEPH_FEATURES_ALL,
  createFormatter,
  dumpHealthChecks,
  dumpOSDMap,
  dumpOsdTree,
  type Formatter,
  formatG,
  formatPgId,
  JsonFormatter,
  OSD_IN,
  OSD_OUT,
  OSDMap,
  OSDMapIncremental,
  osdMapChecks,
  osdState,
  parsePgId,
  printOSDMap,
  printOsdTree,
} from '../../types/index.ts';
import { Args, showsVersion, ToolExit, takeConfig, wantsHelp } from './args.ts';
import { describeError, runTool, type ToolIo } from './io.ts';
import { createMap } from './osdmaptool-create.ts';
import { parseOsdMapTool, type OsdMapToolRequest as Request } from './osdmaptool-request.ts';
import { describePg, testMapPgs } from './osdmaptool-test.ts';
import { runUpmap } from './osdmaptool-upmap.ts';
import { OSDMAPTOOL_USAGE } from './osdmaptool-usage.ts';

const ME = 'osdmaptool';

/** Ends with the usage on stdout, as the tool does for most mistakes. */
function usageExit(io: ToolIo, message: string): ToolExit {
  io.err(message);
  io.out(OSDMAPTOOL_USAGE);
  return new ToolExit(1);
}

/** What goes through the steps: the map, and whether it is to be written. */
interface State {
  map: OSDMap;
  modified: boolean;
}

function readMap(path: string, io: ToolIo): OSDMap {
  let bytes: Uint8Array;
  try {
    bytes = io.readFile(path);
  } catch (error) {
    throw new ToolExit(255, `${ME}: couldn't open ${path}: can't open ${path}: ${describeError(error)}\n`);
  }
  try {
    return OSDMap.decode(bytes);
  } catch {
    throw new ToolExit(255, `${ME}: error decoding osdmap '${path}'\n`);
  }
}

function open(path: string, q: Request, config: ReadonlyMap<string, string>, io: ToolIo): State {
  const creates = q.createSimple !== undefined || q.createFromConf;
  if (!creates) return { map: q.clobber ? new OSDMap() : readMap(path, io), modified: false };
  if (!q.clobber && io.exists(path)) throw new ToolExit(255, `${ME}: ${path} exists, --clobber to overwrite\n`);
  if (q.createSimple !== undefined && q.createSimple < 1) throw new ToolExit(1, `${ME}: osd count must be > 0\n`);
  const map = createMap({
    osds: q.createSimple,
    conf: q.createFromConf ? readConf(config, io) : new Map(),
    config,
    withPool: q.withPool,
    pgBits: q.pgBits,
    pgpBits: q.pgpBits,
    now: io.now(),
  });
  return { map, modified: true };
}

function readConf(config: ReadonlyMap<string, string>, io: ToolIo): ConfFile {
  const path = config.get('conf');
  if (path === undefined) return new Map();
  try {
    return parseConf(decodeText(io.readFile(path)), path);
  } catch (error) {
    throw new ToolExit(1, `${ME}: cannot read ${path}: ${describeError(error)}\n`);
  }
}

/** A copy of the map's CRUSH map to edit. */
function editableCrush(map: OSDMap): CrushMap {
  return map.crushBytes.length === 0 ? new CrushMap() : decodeCrushMap(map.crushBytes);
}

function setAt<T>(list: readonly T[], at: number, value: T): T[] {
  const copy = [...list];
  copy[at] = value;
  return copy;
}

function markUpIn(map: OSDMap): OSDMap {
  const crush = editableCrush(map);
  for (let osd = 0; osd < map.maxOsd; osd++) {
    if ((itemWeight(crush, osd) ?? 0) === 0) adjustItemWeight(crush, osd, weightToFixed(1));
  }
  return map.with({
    osdState: map.osdState.map((state) => state | osdState.UP | osdState.EXISTS),
    osdWeight: map.osdWeight.map(() => OSD_IN),
    crushBytes: encodeCrushMap(crush, CEPH_FEATURES_ALL),
  });
}

function marks(state: State, q: Request, io: ToolIo): void {
  const { maxOsd } = state.map;
  const known = (osd: number): boolean => osd >= 0 && osd < maxOsd;
  const up = (osd: number): void => {
    const osdStates = setAt(state.map.osdState, osd, state.map.osdState[osd]! | osdState.UP);
    state.map = state.map.with({ osdState: osdStates });
  };
  if (q.markUpIn) {
    io.out('marking all OSDs up and in\n');
    state.map = markUpIn(state.map);
  }
  if (known(q.markOut)) {
    io.out(`marking OSD@${q.markOut} as out\n`);
    up(q.markOut);
    state.map = state.map.with({ osdWeight: setAt(state.map.osdWeight, q.markOut, OSD_OUT) });
  }
  if (known(q.markUp)) {
    io.out(`marking OSD@${q.markUp} as up\n`);
    up(q.markUp);
  }
  if (known(q.markIn)) {
    // Ceph's tool names (and weighs) the OSD of --mark-up here. The name is kept, the OSD is the one that was meant.
    io.out(`marking OSD@${q.markUp} as up\n`);
    const states = setAt(state.map.osdState, q.markIn, state.map.osdState[q.markIn]! | osdState.EXISTS);
    state.map = state.map.with({ osdState: states, osdWeight: setAt(state.map.osdWeight, q.markIn, OSD_IN) });
  }
}

function adjustWeights(state: State, q: Request, io: ToolIo): void {
  for (const part of q.adjustCrushWeight.split(',').filter((one) => one !== '')) {
    const colon = part.indexOf(':');
    if (colon < 0) throw usageExit(io, `${ME}: use ':' as separator of osd id and its weight\n`);
    const osd = Number.parseInt(part.slice(0, colon), 10);
    const weight = Math.fround(Number.parseFloat(part.slice(colon + 1)));
    if (Number.isNaN(osd) || Number.isNaN(weight)) throw usageExit(io, `${ME}: not an OSD and a weight: '${part}'\n`);
    const crush = editableCrush(state.map);
    adjustItemWeight(crush, osd, weightToFixed(weight));
    state.map = state.map.with({ crushBytes: encodeCrushMap(crush, CEPH_FEATURES_ALL) });
    io.out(`Adjusted osd.${osd} CRUSH weight to ${formatG(weight)}\n`);
    if (!q.save) continue;
    state.map = state.map.apply(new OSDMapIncremental(state.map.epoch + 1, { fsid: state.map.fsid }));
    state.modified = true;
  }
}

function importCrush(state: State, path: string, io: ToolIo): void {
  let bytes: Uint8Array;
  try {
    bytes = io.readFile(path);
  } catch (error) {
    throw new ToolExit(1, `${ME}: error reading crush map from ${path}: can't open ${path}: ${describeError(error)}\n`);
  }
  let crush: CrushMap;
  try {
    crush = decodeCrushMap(bytes);
  } catch (error) {
    throw new ToolExit(1, `${ME}: error reading crush map from ${path}: ${describeError(error)}\n`);
  }
  const { map } = state;
  if (crush.maxDevices > map.maxOsd) {
    throw new ToolExit(1, `${ME}: crushmap max_devices ${crush.maxDevices} > osdmap max_osd ${map.maxOsd}\n`);
  }
  state.map = map.apply(new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid, crush: bytes }));
  state.modified = true;
  io.out(`${ME}: imported ${bytes.length} byte crush map from ${path}\n`);
}

function exportCrush(map: OSDMap, path: string, imported: string, io: ToolIo): void {
  try {
    io.writeFile(path, encodeCrushMap(map.crush, CEPH_FEATURES_ALL));
  } catch (error) {
    io.err(`bufferlist::write_file(${path}): failed to open file: ${describeError(error)}\n`);
    // Ceph's tool names the file of --import-crush here.
    throw new ToolExit(1, `${ME}: error writing crush map to ${imported}\n`);
  }
  io.out(`${ME}: exported crush map to ${path}\n`);
}

function testMapObject(map: OSDMap, name: string, poolGiven: number, io: ToolIo): number {
  let pool = poolGiven;
  if (pool === -1) {
    io.out(`${ME}: assuming pool 1 (use --pool to override)\n`);
    pool = 1;
  }
  const pg = map.objectToPg(pool, name);
  if (pg === undefined) throw new ToolExit(1, `There is no pool ${pool}\n`);
  io.out(` object '${name}' -> ${formatPgId(pg)} -> [${map.pgToUpActing(pg).acting.join(',')}]\n`);
  return pool;
}

function testMapPg(map: OSDMap, text: string, io: ToolIo): void {
  const pg = parsePgId(text);
  if (pg === undefined) throw usageExit(io, `${ME}: failed to parse pg '${text}\n`);
  io.out(` parsed '${text}' -> ${formatPgId(pg)}\n${describePg(map, pg)}\n`);
}

/** Maps the same PGs over and over: it ends only when a mapping differs, which none may. */
function testCrush(map: OSDMap, io: ToolIo): never {
  const known = new Map<string, string>();
  for (let pass = 1; ; pass++) {
    io.out(`pass ${pass}\n`);
    const fresh = new OSDMap(map.fields);
    for (const [pool, { pgNum }] of fresh.pools) {
      for (let seed = 0; seed < pgNum; seed++) {
        const name = formatPgId({ pool, seed });
        for (let attempt = 0; attempt < 100; attempt++) {
          io.out(`${name} attempt ${attempt}\n`);
          const acting = `[${fresh.pgMapping(pool, seed).acting.join(',')}]`;
          const before = known.get(name) ?? acting;
          if (before !== acting) throw new ToolExit(134, `${name} had ${before} now ${acting}\n`);
          known.set(name, acting);
        }
      }
    }
  }
}

function isIdle(q: Request, modified: boolean): boolean {
  return (
    !q.print &&
    !q.health &&
    !q.tree &&
    !modified &&
    q.exportCrush === '' &&
    q.importCrush === '' &&
    q.testMapPg === '' &&
    q.testMapObject === '' &&
    q.testMapPgs === undefined &&
    q.adjustCrushWeight === '' &&
    !q.upmap &&
    !q.upmapCleanup
  );
}

function show(io: ToolIo, section: string, format: string, plain: () => string, fill: (f: Formatter) => void): void {
  if (format === '') {
    io.out(plain());
    return;
  }
  // Formats that are not known become JSON.
  const f = createFormatter(format) ?? new JsonFormatter();
  f.openObject(section);
  fill(f);
  f.close();
  io.out(f.flush());
}

function range(q: Request, path: string, io: ToolIo): number {
  for (let i = q.rangeFirst; i <= q.rangeLast; i++) {
    const name = `${path}/${i}`;
    let bytes: Uint8Array;
    try {
      bytes = io.readFile(name);
    } catch (error) {
      throw new ToolExit(1, `unable to read ${name}: ${describeError(error)}\n`);
    }
    io.out(`${name} got ${bytes.length} bytes\n`);
    OSDMap.decode(bytes);
  }
  return 0;
}

function tool(argv: string[], io: ToolIo): number {
  if (argv.length === 0) throw new ToolExit(1, `${ME}: -h or --help for usage\n`);
  if (wantsHelp(argv)) {
    io.out(OSDMAPTOOL_USAGE);
    return 1;
  }
  if (showsVersion(argv, io)) return 0;
  const { config, rest } = takeConfig(argv);
  const args = new Args(rest);
  const q = parseOsdMapTool(args);
  const path = args.words[0];
  if (path === undefined) throw usageExit(io, `${ME}: must specify osdmap filename\n`);
  if (args.words.length > 1) throw usageExit(io, `${ME}: too many arguments\n`);
  if (q.upmapDeviation < 1) throw usageExit(io, `${ME}: upmap-deviation must be >= 1\n`);
  if (q.rangeFirst >= 0 && q.rangeLast >= 0) return range(q, path, io);
  io.err(`${ME}: osdmap file '${path}'\n`);
  const state = open(path, q, config, io);
  marks(state, q, io);
  adjustWeights(state, q, io);
  if (q.clearTemp) {
    io.out('clearing pg/primary temp\n');
    state.map = state.map.with({ pgTemp: new Map(), primaryTemp: new Map() });
  }
  // What is found to clean is not kept; so there.
  if (q.cleanTemps) io.out('cleaning pg temps\n');
  if (q.upmapCleanup) {
    const request = {
      cleanupOnly: !q.upmap,
      file: q.upmapFile,
      max: q.upmapMax,
      deviation: q.upmapDeviation,
      pools: q.upmapPools,
      active: q.upmapActive,
      save: q.save,
      seconds: io.seconds,
    };
    const { map, modified } = runUpmap(state.map, request, io);
    state.map = map;
    state.modified ||= modified;
  }
  if (q.importCrush !== '') importCrush(state, q.importCrush, io);
  if (q.exportCrush !== '') exportCrush(state.map, q.exportCrush, q.importCrush, io);
  let { pool } = q;
  if (q.testMapObject !== '') pool = testMapObject(state.map, q.testMapObject, pool, io);
  if (q.testMapPg !== '') testMapPg(state.map, q.testMapPg, io);
  if (q.testMapPgs !== undefined) {
    if (q.pgNum > 0) state.map = withPgNum(state.map, pool, q.pgNum);
    const random = q.testRandom ? io.random : undefined;
    testMapPgs(state.map, { pool, dump: q.testMapPgs, random }, io);
  }
  if (q.testCrush) testCrush(state.map, io);
  if (isIdle(q, state.modified)) throw usageExit(io, `${ME}: no action specified?\n`);
  return finish(state, q, config, path, io);
}

function withPgNum(map: OSDMap, pool: number, pgNum: number): OSDMap {
  const pools = new Map(map.pools);
  for (const [id, p] of pools) if (pool === -1 || id === pool) pools.set(id, p.clone({ pgNum, pgNumPending: pgNum }));
  return map.with({ pools });
}

/** The options of the command line as a whole configuration. */
function configOf(given: ReadonlyMap<string, string>): Config {
  const config = new Config({ cluster: 'ceph', type: 'client', id: 'admin', host: '', pid: 0, daemon: false });
  for (const [name, value] of given) config.set('cmdline', name, value);
  return config;
}

function finish(state: State, q: Request, config: ReadonlyMap<string, string>, path: string, io: ToolIo): number {
  const map = state.modified ? state.map.with({ epoch: state.map.epoch + 1 }) : state.map;
  if (q.health) {
    const f = new JsonFormatter(true);
    f.openObject('checks');
    dumpHealthChecks(osdMapChecks(map, configOf(config)), f);
    f.close();
    io.out(f.flush());
  }
  if (q.print)
    show(
      io,
      'osdmap',
      q.printFormat,
      () => printOSDMap(map),
      (f) => dumpOSDMap(map, f),
    );
  if (q.tree) {
    show(
      io,
      'tree',
      q.treeFormat,
      () => printOsdTree(map),
      (f) => dumpOsdTree(map, f),
    );
    if (q.treeFormat !== '') io.out('\n');
  }
  if (!state.modified) return 0;
  io.out(`${ME}: writing epoch ${map.epoch} to ${path}\n`);
  try {
    io.writeFile(path, map.encode(CEPH_FEATURES_ALL).bytes);
  } catch (error) {
    throw new ToolExit(1, `osdmaptool: error writing to '${path}': ${describeError(error)}\n`);
  }
  return 0;
}

export function osdmaptool(argv: string[], io?: ToolIo): number {
  return runTool(tool, argv, io);
}
