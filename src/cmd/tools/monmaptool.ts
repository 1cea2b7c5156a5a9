import { type ConfFile, confFor, parseConf } from '../../config/index.ts';
import { decodeFromBytes, decodeText, encodeToBytes } from '../../encoding/index.ts';
import {
  addrType,
  CEPH_FEATURES_ALL,
  EntityAddr,
  EntityAddrVec,
  MON_FEATURES_PERSISTENT,
  MON_FEATURES_SUPPORTED,
  MonMap,
  makeMonInfo,
  monFeature,
  monFeatureFromName,
  monFeatureNames,
  monMap,
  parseUuid,
  printMonMap,
  releaseFromName,
  releaseName,
} from '../../types/index.ts';
import { Args, readOptions, showsVersion, ToolExit, takeConfig, wantsHelp } from './args.ts';
import { describeError, runTool, systemIo, type ToolIo, withLookups } from './io.ts';

const ME = 'monmaptool';
const PORT_LEGACY = 6789;
const PORT_MSGR2 = 3300;

const USAGE = `usage: monmaptool [--print] [--create [--clobber] [--fsid uuid]]
        [--enable-all-features]
        [--generate] [--set-initial-members]
        [--add name 1.2.3.4:567] [--rm name]
        [--addv name [v2:1.2.4.5:567,v1:1.2.3.4:568]]
        [--feature-list [plain|parseable]]
        [--feature-set <value> [--optional|--persistent]]
        [--feature-unset <value> [--optional|--persistent]]
        [--set-min-mon-release <release-major-number>]
        <mapfilename>
`;

const HINT = 'monmaptool -h for usage\n';

type FeatureOp =
  | { readonly op: 'list'; readonly parseable: boolean }
  | { readonly op: 'set' | 'unset'; readonly bits: bigint; optional: boolean };

interface Request {
  print: boolean;
  create: boolean;
  clobber: boolean;
  enableAllFeatures: boolean;
  generate: boolean;
  setInitialMembers: boolean;
  minMonRelease: number;
  readonly add: Map<string, EntityAddr>;
  readonly addv: Map<string, EntityAddrVec>;
  readonly rm: string[];
  readonly features: FeatureOp[];
}

function parseFeature(text: string, io: ToolIo): bigint {
  const known = monFeatureFromName(text);
  if (known !== 0n) return known;
  if (/^[-+]?\d+$/.test(text)) return BigInt.asUintN(64, BigInt(text));
  io.err(
    `unknown features name '${text}' or unable to parse value: Expected option value to be integer, got '${text}'\n`,
  );
  throw new ToolExit(1, HINT);
}

/** What follows `--add` and `--addv`: a name, and an address that has to be there. */
function nameAndAddress(args: Args): [string, string] {
  const name = args.take();
  const address = args.take();
  if (name === undefined || address === undefined) throw new ToolExit(1, HINT);
  return [name, address];
}

function invalidAddress(text: string): ToolExit {
  return new ToolExit(255, `${ME}: invalid ip:port '${text}'\n`);
}

function parse(args: Args, io: ToolIo): Request {
  const q: Request = {
    print: false,
    create: false,
    clobber: false,
    enableAllFeatures: false,
    generate: false,
    setInitialMembers: false,
    minMonRelease: 0,
    add: new Map(),
    addv: new Map(),
    rm: [],
    features: [],
  };
  readOptions(args, {
    flags: {
      '-p': () => {
        q.print = true;
      },
      '--print': () => {
        q.print = true;
      },
      '--create': () => {
        q.create = true;
      },
      '--enable-all-features': () => {
        q.enableAllFeatures = true;
      },
      '--clobber': () => {
        q.clobber = true;
      },
      '--generate': () => {
        q.generate = true;
      },
      '--set-initial-members': () => {
        q.setInitialMembers = true;
      },
      '--add': () => {
        const [name, address] = nameAndAddress(args);
        const addr = EntityAddr.parse(address);
        if (addr === undefined) throw invalidAddress(address);
        q.add.set(name, addr);
      },
      '--addv': () => {
        const [name, address] = nameAndAddress(args);
        const addrs = EntityAddrVec.parsePrefix(address);
        if (addrs === undefined) throw invalidAddress(address);
        q.addv.set(name, addrs.addrs);
      },
      '--feature-list': () => {
        const format = args.word === 'plain' || args.word === 'parseable' ? args.take() : 'plain';
        q.features.push({ op: 'list', parseable: format === 'parseable' });
      },
      '--optional': () => setOptional(q.features, true),
      '--persistent': () => setOptional(q.features, false),
    },
    values: {
      '--set-min-mon-release': (name) => {
        q.minMonRelease = releaseFromName(name);
      },
      '--rm': (name) => void q.rm.push(name),
      '--feature-set': (text) => void q.features.push({ op: 'set', bits: parseFeature(text, io), optional: false }),
      '--feature-unset': (text) => void q.features.push({ op: 'unset', bits: parseFeature(text, io), optional: false }),
    },
  });
  return q;
}

function setOptional(features: readonly FeatureOp[], optional: boolean): void {
  const last = features.at(-1);
  if (last === undefined) throw new ToolExit(1, HINT);
  if (last.op !== 'list') last.optional = optional;
}

/** `[kraken(1),...]` */
function featureText(bits: bigint): string {
  const names = monFeatureNames(bits, true);
  return `[${names.length === 0 ? 'none' : names.join(',')}]`;
}

function listFeatures(map: MonMap, parseable: boolean): string {
  const required = map.persistentFeatures | map.optionalFeatures;
  const [p, o, r] = [map.persistentFeatures, map.optionalFeatures, required].map(featureText);
  const [supported, persistent] = [MON_FEATURES_SUPPORTED, MON_FEATURES_PERSISTENT].map(featureText);
  if (parseable) {
    return `monmap:persistent:${p}\nmonmap:optional:${o}\nmonmap:required:${r}\navailable:supported:${supported}\navailable:persistent:${persistent}\n`;
  }
  return `MONMAP FEATURES:\n    persistent: ${p}\n    optional:   ${o}\n    required:   ${r}\n\nAVAILABLE FEATURES:\n    supported:  ${supported}\n    persistent: ${persistent}\n`;
}

function read(path: string, q: Request, io: ToolIo): MonMap {
  if (q.create && q.clobber) return new MonMap();
  let bytes: Uint8Array;
  try {
    bytes = io.readFile(path);
  } catch (error) {
    if (q.create) return new MonMap();
    throw new ToolExit(255, `${ME}: couldn't open ${path}: ${describeError(error)}\n`);
  }
  let map: MonMap;
  try {
    map = decodeFromBytes(monMap, bytes);
  } catch {
    throw new ToolExit(255, `${ME}: unable to read monmap file\n`);
  }
  if (q.create) throw new ToolExit(255, `${ME}: ${path} exists, --clobber to overwrite\n`);
  return map;
}

/** The addresses that `--add` means by one of any kind. */
function addressesOf(map: MonMap, addr: EntityAddr): EntityAddrVec {
  const nautilus = (map.persistentFeatures & monFeature.NAUTILUS) !== 0n;
  const v1 = (port: number): EntityAddr => addr.with({ type: addrType.LEGACY, port });
  const v2 = (port: number): EntityAddr => addr.with({ type: addrType.MSGR2, port });
  if (addr.port === 0)
    return nautilus ? EntityAddrVec.of(v2(PORT_MSGR2), v1(PORT_LEGACY)) : EntityAddrVec.of(v1(PORT_LEGACY));
  if (addr.port === PORT_LEGACY) return EntityAddrVec.of(v1(PORT_LEGACY));
  return EntityAddrVec.of(nautilus ? v2(addr.port) : addr);
}

function addMon(map: MonMap, name: string, addrs: EntityAddrVec): MonMap {
  if (map.mon(name) !== undefined) throw new ToolExit(1, `${ME}: map already contains mon.${name}\n${HINT}`);
  if (addrs.addrs.some((addr) => map.nameOfAddr(addr) !== undefined)) {
    throw new ToolExit(1, `${ME}: map already contains ${addrs}\n${HINT}`);
  }
  return map.withMon(makeMonInfo(name, addrs));
}

/** Addresses of one monitor as mon_host gives them; those without a protocol get what their port says. */
function seedAddresses(addrs: EntityAddrVec): EntityAddrVec {
  const addr = addrs.front;
  if (addrs.length > 1) return addrs;
  if (addr.type !== addrType.ANY) {
    const port = addr.type === addrType.LEGACY ? PORT_LEGACY : PORT_MSGR2;
    return EntityAddrVec.of(addr.port === 0 ? addr.with({ port }) : addr);
  }
  const v1 = addr.with({ type: addrType.LEGACY, port: addr.port === 0 ? PORT_LEGACY : addr.port });
  const v2 = addr.with({ type: addrType.MSGR2, port: addr.port === 0 ? PORT_MSGR2 : addr.port });
  if (addr.port === 0) return EntityAddrVec.of(v2, v1);
  return EntityAddrVec.of(addr.port === PORT_LEGACY ? v1 : v2);
}

/** `a,[v2:..,v1:..],c` */
function parseMonHost(text: string): EntityAddrVec[] | undefined {
  const list: EntityAddrVec[] = [];
  for (let at = 0; at < text.length; ) {
    if (/[,; \t]/.test(text[at]!)) {
      at++;
      continue;
    }
    const one = EntityAddrVec.parsePrefix(text, at, addrType.ANY);
    if (one === undefined) return undefined;
    list.push(one.addrs);
    at = one.end;
  }
  return list;
}

interface HostWord {
  readonly host: string;
  readonly port: string | undefined;
}

/** mon_host where it is no list of addresses: names or addresses, each with a port or without. */
function hostWords(text: string): HostWord[] {
  return text
    .split(/[,; ]+/)
    .filter((word) => word !== '')
    .map((word) => {
      const [, bracketed, ported, port] = /^(?:(.*\]):|([^:]*):)([^:]*)$/.exec(word) ?? [];
      const name = bracketed ?? ported ?? word;
      const inBrackets = name.startsWith('[') && name.endsWith(']');
      return { host: inBrackets ? name.slice(1, -1) : name, port: port === '' ? undefined : port };
    });
}

/** `text` with addresses for the names. */
function resolved(text: string, io: ToolIo): string {
  const list: string[] = [];
  for (const { host, port } of hostWords(text)) {
    const isNumber = port === undefined || /^\d+$/.test(port);
    const found = isNumber ? io.lookup(host) : 'Servname not supported for ai_socktype';
    if (typeof found === 'string') {
      io.out(`server name not found: ${host} (${found})\n`);
      throw unparsed(text);
    }
    for (const ip of found) {
      const address = ip.includes(':') ? `[${ip}]` : ip;
      list.push(port === undefined ? address : `${address}:${Number(port) & 0xffff}`);
    }
  }
  return list.join(',');
}

const unparsed = (text: string): ToolExit => new ToolExit(234, `unable to parse addrs in '${text}'\n`);

const ENOENT_EXIT = 254;

/** Adds a monitor that a section or the DNS names; one that is in the map, by any of its addresses, stays. */
function withSeed(map: MonMap, name: string, addr: EntityAddr, priority: number, weight: number): MonMap {
  if (map.nameOfAddr(addr) !== undefined || map.mon(name) !== undefined) return map;
  return map.withMon(makeMonInfo(name, EntityAddrVec.of(addr), { priority, weight }));
}

/** A number at the start of a text, as C reads it; undefined where there is none. */
function leadingNumber(text: string): number | undefined {
  const found = /^\s*\+?(\d+)/.exec(text);
  return found === null ? undefined : Number(found[1]) & 0xffff;
}

/** Monitors of a file's `[mon.NAME]` sections, the oldest way to name them: each with its `mon addr`, of the first protocol where it does not say. */
function fromSections(map: MonMap, conf: ConfFile | undefined, io: ToolIo): MonMap {
  let made = map;
  for (const section of [...(conf?.keys() ?? [])].sort()) {
    if (!section.startsWith('mon.') || section === 'mon.') continue;
    const name = section.slice('mon.'.length);
    const option = (key: string): string | undefined =>
      [section, 'mon', 'global'].map((s) => conf?.get(s)?.get(key)).find((value) => value !== undefined);
    const text = option('mon_addr');
    if (text === undefined) {
      io.err(`failed to get an address for mon.${name}: error -2\n`);
      continue;
    }
    const addr = EntityAddr.parse(text, addrType.LEGACY);
    if (addr === undefined) {
      io.err(`unable to parse address for mon.${name}: addr='${text}'\n`);
      continue;
    }
    const number = (key: 'priority' | 'weight'): number | undefined => {
      const value = option(`mon_${key}`);
      const found = value === undefined ? 0 : leadingNumber(value);
      if (found === undefined) io.err(`unable to parse ${key} for mon.${name}: ${key}='${value}'\n`);
      return found;
    };
    const priority = number('priority');
    const weight = priority === undefined ? undefined : number('weight');
    if (priority === undefined || weight === undefined) continue;
    const whole = addr.port === 0 ? addr.with({ port: PORT_LEGACY }) : addr;
    const holder = made.nameOfAddr(whole);
    if (holder !== undefined) made = made.withoutMon(holder);
    if (made.mon(name) !== undefined) made = made.withoutMon(name);
    made = withSeed(made, name, whole, priority, weight);
  }
  return made;
}

/** Monitors that the DNS names as servers of a service, with a port of one protocol, or of both. */
function fromService(map: MonMap, config: ReadonlyMap<string, string>, io: ToolIo): MonMap {
  const found = io.servers(config.get('mon_dns_srv_name') ?? 'ceph-mon');
  if (found === undefined) {
    throw new ToolExit(ENOENT_EXIT, 'unable to get monitor info from DNS SRV with service name: ceph-mon\n');
  }
  let made = map;
  // A host that has several records counts once, with the last of them.
  const byName = new Map(found.map((server) => [server.name, server]));
  for (const [name, { address, port, priority, weight }] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const any = EntityAddr.fromHost(address, port);
    if (any === undefined) continue;
    const v2 = any.with({ type: addrType.MSGR2, port: port === 0 ? PORT_MSGR2 : port });
    const v1 = any.with({ type: addrType.LEGACY, port: port === 0 ? PORT_LEGACY : port });
    if (port !== PORT_LEGACY) made = withSeed(made, name, v2, priority, weight);
    if (port !== PORT_MSGR2) made = withSeed(made, `${name}-legacy`, v1, priority, weight);
  }
  return made;
}

function generate(map: MonMap, config: ReadonlyMap<string, string>, conf: ConfFile | undefined, io: ToolIo): MonMap {
  const host = config.get('mon_host') ?? '';
  const list = parseMonHost(host) ?? parseMonHost(resolved(host, io));
  if (list === undefined) throw unparsed(host);
  let made = map;
  for (const [i, given] of list.entries()) {
    const name = `noname-${String.fromCharCode('a'.charCodeAt(0) + i)}`;
    const addrs = seedAddresses(given);
    // Named twice, or two names of one host.
    if (given.length === 1 && addrs.addrs.some((addr) => made.nameOfAddr(addr) !== undefined)) continue;
    made = made.withMon(makeMonInfo(name, addrs));
  }
  if (made.size === 0) made = fromSections(made, conf, io);
  if (made.size === 0) made = fromService(made, config, io);
  if (made.size === 0) throw new ToolExit(ENOENT_EXIT, 'no monitors specified to connect to.\n');
  const now = io.now();
  return made.with({ created: now, lastChanged: now }).withLegacyRanks();
}

/** An address that nobody has, for a monitor whose own is not known yet. */
function placeholder(map: MonMap): EntityAddr {
  for (let nonce = 1; ; nonce++) {
    const addr = EntityAddr.fromHost('0.0.0.0', 0, nonce, addrType.LEGACY)!;
    if (map.nameOfAddr(addr) === undefined) return addr;
  }
}

function setInitialMembers(map: MonMap, members: readonly string[], io: ToolIo): MonMap {
  io.out(`initial_members ${members.join(',')}, filtering seed monmap\n`);
  let made = map;
  const removed: EntityAddrVec[] = [];
  for (const name of [...map.mons.keys()].sort()) {
    if (members.includes(name)) continue;
    removed.push(map.mon(name)!.addrs);
    made = made.withoutMon(name);
  }
  for (const name of members) {
    if (made.mon(name) === undefined) made = made.withMon(makeMonInfo(name, EntityAddrVec.of(placeholder(made))));
  }
  io.out(`removed ${removed.join(',')}\n`);
  return made;
}

function readConf(config: ReadonlyMap<string, string>, io: ToolIo): ConfFile | undefined {
  const path = config.get('conf');
  if (path === undefined) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = io.readFile(path);
  } catch (error) {
    throw new ToolExit(1, `${ME}: cannot read ${path}: ${describeError(error)}\n`);
  }
  return parseConf(decodeText(bytes), path);
}

/** What the command line says, and a file where it says nothing. */
function withFile(config: Map<string, string>, conf: ConfFile | undefined): Map<string, string> {
  return conf === undefined ? config : new Map([...confFor(conf, 'client', 'admin'), ...config]);
}

function tool(argv: string[], io: ToolIo): number {
  if (argv.length === 0) throw new ToolExit(1, `${ME}: -h or --help for usage\n`);
  if (wantsHelp(argv)) {
    io.out(USAGE);
    return 0;
  }
  if (showsVersion(argv, io)) return 0;
  const { config: given, rest } = takeConfig(argv);
  const conf = readConf(given, io);
  const config = withFile(given, conf);
  if (config.has('fsid') && parseUuid(config.get('fsid')!) === undefined) {
    io.err(`parse error setting 'fsid' to '${config.get('fsid')}'\n`);
  }
  const args = new Args(rest);
  const q = parse(args, io);
  const path = args.words[0];
  if (path === undefined) throw new ToolExit(1, `${ME}: must specify monmap filename\n${HINT}`);
  if (args.words.length > 1) throw new ToolExit(1, `${ME}: too many arguments\n${HINT}`);
  let modified = q.add.size > 0 || q.addv.size > 0 || q.rm.length > 0;
  const change = (next: MonMap): MonMap => {
    modified = true;
    return next;
  };

  io.out(`${ME}: monmap file ${path}\n`);
  let map = read(path, q, io);
  const fsid = config.get('fsid');
  const parsed = fsid === undefined ? undefined : parseUuid(fsid);
  if (q.create) {
    const now = io.now();
    map = change(map.with({ epoch: 0, created: now, lastChanged: now }));
    const strategy = Number(config.get('mon_election_default_strategy') ?? 1);
    map = map.with({ strategy });
    if (parsed === undefined) {
      map = map.with({ fsid: io.newUuid() });
      io.out(`${ME}: generated fsid ${map.fsid}\n`);
    }
  }
  if (q.enableAllFeatures) map = change(map.with({ persistentFeatures: MON_FEATURES_PERSISTENT }));
  if (q.generate) map = generate(map, config, conf, io);
  if (q.minMonRelease !== 0) {
    map = change(map.with({ minMonRelease: q.minMonRelease }));
    io.out(`setting min_mon_release = ${releaseName(q.minMonRelease)}\n`);
  }
  if (q.setInitialMembers) {
    const members = (config.get('mon_initial_members') ?? '').split(/[,;\s]+/).filter((name) => name !== '');
    if (members.length > 0) map = setInitialMembers(map, members, io);
    modified = true;
  }
  if (parsed !== undefined) {
    map = change(map.with({ fsid: parsed }));
    io.out(`${ME}: set fsid to ${map.fsid}\n`);
  }
  map = applyEdits(map, q, io);
  const features = q.features;
  for (const feature of features) {
    if (feature.op === 'list') io.out(listFeatures(map, feature.parseable));
    else map = change(withFeature(map, feature.optional, feature.op === 'set', feature.bits));
  }
  if (!q.print && !modified && features.length === 0) throw new ToolExit(1, `no action specified\n${HINT}`);
  if (q.print) io.out(printMonMap(map));
  if (!modified) return 0;
  io.out(`${ME}: writing epoch ${map.epoch} to ${path} (${map.size} monitors)\n`);
  try {
    io.writeFile(path, encodeToBytes(monMap, map, CEPH_FEATURES_ALL));
  } catch (error) {
    throw new ToolExit(1, `monmaptool: error writing to '${path}': ${describeError(error)}\n`);
  }
  return 0;
}

function withFeature(map: MonMap, optional: boolean, on: boolean, bits: bigint): MonMap {
  const apply = (now: bigint): bigint => (on ? now | bits : now & ~bits);
  return optional
    ? map.with({ optionalFeatures: apply(map.optionalFeatures) })
    : map.with({ persistentFeatures: apply(map.persistentFeatures) });
}

function applyEdits(start: MonMap, q: Request, io: ToolIo): MonMap {
  const byName = <T>(m: Map<string, T>): [string, T][] => [...m].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  let map = start;
  for (const [name, addr] of byName(q.add)) map = addMon(map, name, addressesOf(map, addr));
  for (const [name, addrs] of byName(q.addv)) map = addMon(map, name, addrs);
  for (const name of q.rm) {
    io.out(`${ME}: removing ${name}\n`);
    if (map.mon(name) === undefined) throw new ToolExit(1, `${ME}: map does not contain ${name}\n${HINT}`);
    map = map.withoutMon(name);
  }
  return map;
}

/** What the tool will look up: hosts, or a service. */
function lookupsOf(argv: string[], io: ToolIo): { hosts: string[]; service?: string } {
  if (!argv.includes('--generate')) return { hosts: [] };
  try {
    const given = takeConfig(argv).config;
    const conf = readConf(given, io);
    const config = withFile(given, conf);
    const text = config.get('mon_host') ?? '';
    const hosts = parseMonHost(text) === undefined ? hostWords(text).map(({ host }) => host) : [];
    return text === '' ? { hosts, service: config.get('mon_dns_srv_name') ?? 'ceph-mon' } : { hosts };
  } catch (error) {
    // The tool itself says what is wrong.
    if (error instanceof ToolExit) return { hosts: [] };
    throw error;
  }
}

/** Names of hosts and services have to be known to `io`, see {@link withLookups}. */
export function monmaptool(argv: string[], io?: ToolIo): number {
  return runTool(tool, argv, io);
}

/** {@link monmaptool} for the command line: looks up names first. */
export async function monmaptoolCommand(argv: string[]): Promise<number> {
  const { hosts, service } = lookupsOf(argv, systemIo);
  return monmaptool(argv, await withLookups(systemIo, hosts, service));
}
