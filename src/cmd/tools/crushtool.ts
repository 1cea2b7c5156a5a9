import { ErrnoError } from '../../base/index.ts';
import {
  addNamedBucket,
  addSimpleRule,
  adjustItemWeight,
  CrushCompileError,
  CrushMap,
  CrushSyntaxError,
  compileCrushMap,
  createOrMoveItem,
  decodeCrushMap,
  decompileCrushMap,
  dumpCrushMap,
  encodeCrushMap,
  fullLocation,
  insertItem,
  leavesOf,
  moveBucket,
  type ReclassifyBucket,
  rebuildShadows,
  reclassify,
  removeItem,
  removeRule,
  reweightAll,
  setSubtreeClass,
  type Tunables,
  treeTable,
  updateItem,
  weightAtLocation,
  weightToFixed,
} from '../../crush/index.ts';
import { decodeText, encodeText } from '../../encoding/index.ts';
import { CEPH_FEATURES_ALL, createFormatter, formatG, JsonFormatter, TextTable } from '../../types/index.ts';
import { Args, ToolExit } from './args.ts';
import { buildMap } from './crushtool-build.ts';
import { CrushTester } from './crushtool-test.ts';
import { CRUSHTOOL_OUTPUT_USAGE, CRUSHTOOL_USAGE } from './crushtool-usage.ts';
import { describeError, runTool, type ToolIo } from './io.ts';

const ME = 'crushtool';

/** Ceph's exit status of a failure: the negated errno as one byte. */
const STATUS_OF = (error: ErrnoError): number => (256 - error.errno) & 0xff;

const ERRNO_TEXTS: Record<string, string> = {
  ENOENT: '(2) No such file or directory',
  ECHILD: '(10) No child processes',
  EBUSY: '(16) Device or resource busy',
  EEXIST: '(17) File exists',
  EINVAL: '(22) Invalid argument',
  ERANGE: '(34) Numerical result out of range',
  ENOTEMPTY: '(39) Directory not empty',
  ELOOP: '(40) Too many levels of symbolic links',
  EOVERFLOW: '(75) Value too large for defined data type',
};

const errnoText = (error: ErrnoError): string => ERRNO_TEXTS[error.errnoName] ?? error.message;

interface ItemEdit {
  readonly id: number;
  readonly weight: number;
  readonly name: string;
}

/** What the command line asks for. */
class Request {
  infile = '';
  outfile = '';
  source = '';
  compile = false;
  decompile = false;
  build = false;
  numOsds = 0;
  check = false;
  maxId = -1;
  test = false;
  display = false;
  tree = false;
  bucketTree = false;
  bucketName = '';
  dump = false;
  dumpFormat = 'json-pretty';
  location = -1;
  verbose = 0;
  adjust = false;
  readonly tunables: Partial<Record<keyof Tunables, number>> = {};
  reweight = false;
  rebuildClassRoots = false;
  item: ItemEdit | undefined;
  updateItem = false;
  bucket: { readonly name: string; readonly type: string } | undefined;
  moveName: string | undefined;
  removeName = '';
  reweightName = '';
  reweightWeight = 0;
  rule: { readonly name: string; readonly root: string; readonly type: string; readonly mode: string } | undefined;
  removeRuleName: string | undefined;
  deviceClass = '';
  readonly place = new Map<string, string>();
  reclassify = false;
  readonly reclassifyBuckets = new Map<string, { readonly className: string; readonly parent: string }>();
  readonly reclassifyRoots = new Map<string, string>();
  readonly subtreeClasses = new Map<string, string>();
  compare = '';

  get hasAction(): boolean {
    return (
      this.check ||
      this.compile ||
      this.decompile ||
      this.build ||
      this.test ||
      this.reweight ||
      this.adjust ||
      this.tree ||
      this.dump ||
      (this.item !== undefined && this.item.id >= 0) ||
      this.bucket !== undefined ||
      this.moveName !== undefined ||
      this.rule !== undefined ||
      this.removeRuleName !== undefined ||
      this.location >= 0 ||
      this.bucketTree ||
      this.reclassify ||
      this.rebuildClassRoots ||
      this.compare !== '' ||
      this.removeName !== '' ||
      this.reweightName !== ''
    );
  }
}

const TUNABLE_OPTIONS: readonly (readonly [option: string, key: keyof Tunables])[] = [
  ['--set-choose-local-tries', 'chooseLocalTries'],
  ['--set-choose-local-fallback-tries', 'chooseLocalFallbackTries'],
  ['--set-choose-total-tries', 'chooseTotalTries'],
  ['--set-chooseleaf-descend-once', 'chooseleafDescendOnce'],
  ['--set-chooseleaf-vary-r', 'chooseleafVaryR'],
  ['--set-chooseleaf-stable', 'chooseleafStable'],
  ['--set-straw-calc-version', 'strawCalcVersion'],
  ['--set-allowed-bucket-algs', 'allowedBucketAlgs'],
];

/** Reads the command line, as crushtool does: word by word, each option at once. */
class CommandLine {
  readonly args: Args;
  readonly request = new Request();
  readonly #io: ToolIo;
  readonly #tester: CrushTester;
  /** What was wrong with numbers so far; shown, with what follows, by the next option that looks. */
  #complaints = '';
  readonly #flags: Readonly<Record<string, () => void>>;
  readonly #strings: Readonly<Record<string, (value: string) => void>>;
  readonly #integers: Readonly<Record<string, (value: number) => void>>;

  constructor(words: readonly string[], io: ToolIo, tester: CrushTester) {
    this.args = new Args(words);
    this.#io = io;
    this.#tester = tester;
    const r = this.request;
    const show = (set: () => void) => (): void => {
      r.display = true;
      set();
    };
    this.#flags = {
      '-v': () => r.verbose++,
      '--verbose': () => r.verbose++,
      '--reclassify': () => (r.reclassify = true),
      '--tree': () => (r.tree = true),
      '--bucket-tree': () => (r.bucketTree = true),
      '--dump': () => (r.dump = true),
      '--show-utilization': show(() => (tester.showUtilization = true)),
      '--show-utilization-all': show(() => (tester.showUtilizationAll = true)),
      '--show-statistics': show(() => (tester.showStatistics = true)),
      '--show-mappings': show(() => (tester.showMappings = true)),
      '--show-bad-mappings': show(() => (tester.showBadMappings = true)),
      '--show-choose-tries': show(() => (tester.showChooseTries = true)),
      '-t': () => (r.test = true),
      '--test': () => (r.test = true),
      '-s': () => (tester.simulate = true),
      '--simulate': () => (tester.simulate = true),
      // All tunables are safe by now; the option is there for old scripts, as in Ceph.
      '--enable-unsafe-tunables': () => undefined,
      '--reweight': () => (r.reweight = true),
      '--rebuild-class-roots': () => (r.rebuildClassRoots = true),
      '--output-csv': () => (tester.writeCsv = true),
      '--build': () => (r.build = true),
      '--help-output': () => {
        throw new HelpOutput();
      },
    };
    this.#strings = {
      '-i': (value) => (r.infile = value),
      '--infn': (value) => (r.infile = value),
      '-o': (value) => (r.outfile = value),
      '--outfn': (value) => (r.outfile = value),
      '-d': (value) => this.#decompile(value),
      '--decompile': (value) => this.#decompile(value),
      '-c': (value) => this.#compile(value),
      '--compile': (value) => this.#compile(value),
      '--compare': (value) => (r.compare = value),
      '-b': (value) => (r.bucketName = value),
      '--bucket-name': (value) => (r.bucketName = value),
      '-f': (value) => (r.dumpFormat = value),
      '--format': (value) => (r.dumpFormat = value),
      '--reclassify-bucket': (match) => {
        const className = this.#more('');
        r.reclassifyBuckets.set(match, { className, parent: this.#more('') });
      },
      '--reclassify-root': (root) => r.reclassifyRoots.set(root, this.#more('')),
      '--set-subtree-class': (bucket) => r.subtreeClasses.set(bucket, this.#more('')),
      '--device-class': (value) => {
        r.deviceClass = value;
        this.#complain();
      },
      '--remove-rule': (value) => {
        r.removeRuleName = value;
        this.#complain();
      },
      '--loc': (type) => r.place.set(type, this.#more(' to --loc')),
      '--output-name': (name) => {
        // Ceph insists on something that follows, and leaves it.
        if (!this.args.more) throw new ToolExit(1, 'expecting additional argument to --output-name\n');
        tester.csvName = `${name}-`;
      },
      '--remove-item': (value) => (r.removeName = value),
      '--reweight-item': (name) => {
        r.reweightName = name;
        r.reweightWeight = toFloat(this.#more(' to --reweight-item'));
      },
      '--create-simple-rule': (name) => this.#createRule('--create-simple-rule', name, undefined),
      '--create-replicated-rule': (name) => this.#createRule('--create-replicated-rule', name, 'firstn'),
    };
    this.#integers = {
      '--num-osds': (value) => (r.numOsds = value),
      '--num-rep': (value) => (tester.numRep = value),
      '--max-x': (value) => (tester.maxX = value),
      '--min-x': (value) => (tester.minX = value),
      '--pool-id': (value) => (tester.poolId = value),
      '--x': (value) => {
        tester.minX = value;
        tester.maxX = value;
      },
      '--max-rule': (value) => (tester.maxRule = value),
      '--min-rule': (value) => (tester.minRule = value),
      '--rule': (value) => {
        tester.minRule = value;
        tester.maxRule = value;
      },
      '--ruleset': (value) => (tester.ruleset = value),
      '--batches': (value) => (tester.batches = value),
    };
  }

  read(): Request {
    while (this.args.more) {
      if (this.args.word === '--') {
        this.args.skip();
        break;
      }
      if (!this.#option()) this.args.skip();
    }
    return this.request;
  }

  #decompile(path: string): void {
    this.request.infile = path;
    this.request.decompile = true;
  }

  #compile(path: string): void {
    this.request.source = path;
    this.request.compile = true;
  }

  #option(): boolean {
    for (const [name, act] of Object.entries(this.#flags)) {
      if (!this.args.flag(name)) continue;
      act();
      return true;
    }
    for (const [name, act] of Object.entries(this.#strings)) {
      const value = this.args.value(name);
      if (value === undefined) continue;
      act(value);
      return true;
    }
    for (const [name, act] of Object.entries(this.#integers)) {
      const value = this.#integer(name);
      if (value === undefined) continue;
      this.#complain();
      act(value);
      return true;
    }
    return this.#tunable() || this.#lenient() || this.#edit() || this.#ratio();
  }

  /** Options whose numbers nobody checks: what is none counts as 1 here, as there. */
  #tunable(): boolean {
    for (const [name, key] of TUNABLE_OPTIONS) {
      const value = this.#integer(name);
      if (value === undefined) continue;
      this.request.adjust = true;
      this.request.tunables[key] = value;
      return true;
    }
    return false;
  }

  #lenient(): boolean {
    const r = this.request;
    for (const [name, act] of [
      [
        '--check',
        (id: number) => {
          r.check = true;
          r.maxId = id;
        },
      ],
      ['--show-location', (id: number) => (r.location = id)],
    ] as const) {
      if (this.args.isLast && this.args.flag(name)) {
        this.#complaints += `Option ${name} requires an argument.\n`;
        if (name === '--check') r.check = true;
        return true;
      }
      const value = this.#integer(name);
      if (value === undefined) continue;
      act(value);
      return true;
    }
    return false;
  }

  #edit(): boolean {
    const r = this.request;
    for (const option of ['--add-item', '--update-item']) {
      const id = this.#integer(option);
      if (id === undefined) continue;
      if (option === '--update-item') r.updateItem = true;
      this.#complain();
      const weight = toFloat(this.#more(` to ${option}`));
      r.item = { id, weight, name: this.#more(` to ${option}`) };
      return true;
    }
    if (this.args.flag('--add-bucket')) {
      const name = this.#following('--add-bucket');
      r.bucket = { name, type: this.#following('--add-bucket') };
      return true;
    }
    if (this.args.flag('--move')) {
      r.moveName = this.#following('--move');
      return true;
    }
    const device = this.#integer('--weight');
    if (device === undefined) return false;
    this.#complain();
    this.#tester.setDeviceWeight(device, toFloat(this.#more(' to --weight')));
    return true;
  }

  #ratio(): boolean {
    for (const option of ['--mark-down-ratio', '--mark-down-bucket-ratio']) {
      const text = this.args.value(option);
      if (text === undefined) continue;
      const value = Math.fround(this.#number(text, false));
      this.#complain();
      if (option === '--mark-down-ratio') this.#tester.deviceDownRatio = value;
      else this.#tester.bucketDownRatio = value;
      return true;
    }
    return false;
  }

  #createRule(option: string, name: string, mode: string | undefined): void {
    this.#complain();
    const root = this.#more(` to ${option}`);
    const type = this.#more(` to ${option}`);
    this.request.rule = { name, root, type, mode: mode ?? this.#more(` to ${option}`) };
    const shown = mode === undefined ? ` mode=${this.request.rule.mode}` : '';
    this.#io.out(`${option}: name=${name} root=${root} type=${type}${shown}\n`);
  }

  /** One more word that an option needs. */
  #more(to: string): string {
    const word = this.args.more ? this.args.take() : undefined;
    if (word === undefined) throw new ToolExit(1, `expecting additional argument${to}\n`);
    return word;
  }

  #following(option: string): string {
    const word = this.args.more ? this.args.take() : undefined;
    if (word === undefined) throw new ToolExit(1, `${this.#complaints}expecting additional argument to ${option}\n`);
    this.#complain();
    return word;
  }

  #complain(): void {
    if (this.#complaints !== '') throw new ToolExit(1, `${this.#complaints}\n`);
  }

  #integer(option: string): number | undefined {
    const text = this.args.value(option);
    return text === undefined ? undefined : this.#number(text, true);
  }

  #number(text: string, whole: boolean): number {
    const numeric = /^(-?[0-9]*\.?[0-9]*)$/.test(text) && text !== '-';
    if (text.startsWith('--') || (text.startsWith('-') && !numeric)) {
      this.#complaints += 'Missing option value';
      return 1;
    }
    if (!numeric) {
      this.#complaints += `The option value '${text}' is invalid`;
      return 1;
    }
    if (!whole) return Number(text);
    if (!/^-?[0-9]+$/.test(text)) {
      this.#complaints += `Expected option value to be integer, got '${text}'`;
      return 0;
    }
    const value = Number(text);
    if (value < -0x80000000 || value > 0x7fffffff) {
      this.#complaints += `The option value '${text}' seems to be invalid`;
      return 0;
    }
    return value;
  }
}

/** `--help-output`, met on the way. */
class HelpOutput extends Error {}

/** C's atof, to a 32-bit float: what is no number is 0. */
function toFloat(text: string): number {
  return Math.fround(Number(/^\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?/.exec(text)?.[0] ?? 0));
}

/** `{host=a,root=default}`, as C++ maps are shown. */
const showPlace = (place: ReadonlyMap<string, string>): string =>
  `{${[...place]
    .sort(byKey)
    .map(([type, name]) => `${type}=${name}`)
    .join(',')}}`;

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** `crushtool`: the arguments after its name; gives the exit status. */
export function crushtool(argv: string[], io?: ToolIo): number {
  return runTool((words, toolIo) => main(words, toolIo), argv, io);
}

function main(words: string[], io: ToolIo): number {
  if (words.length === 0) {
    io.err(`${ME}: -h or --help for usage\n`);
    return 1;
  }
  if (words.includes('-h') || words.includes('--help')) {
    io.out(CRUSHTOOL_USAGE);
    return 0;
  }
  const tester = new CrushTester(io);
  const line = new CommandLine(words, io, tester);
  let request: Request;
  try {
    request = line.read();
  } catch (error) {
    if (!(error instanceof HelpOutput)) throw error;
    io.out(CRUSHTOOL_OUTPUT_USAGE);
    return 0;
  }
  checkRequest(request, line.args.words, tester, io);
  return new Run(request, tester, io).run(line.args.words);
}

function checkRequest(r: Request, rest: readonly string[], tester: CrushTester, io: ToolIo): void {
  if (r.test && !r.check && !r.display && !tester.writeCsv && r.compare === '') {
    io.err('WARNING: no output selected; use --output-csv or --show-X\n');
  }
  if (Number(r.decompile) + Number(r.compile) + Number(r.build) > 1) {
    throw new ToolExit(1, 'cannot specify more than one of compile, decompile, and build\n');
  }
  if (!r.hasAction) throw new ToolExit(1, 'no action specified; -h for help\n');
  if (!r.build && rest.length > 0) throw new ToolExit(1, `unrecognized arguments: [${rest.join(',')}]\n`);
  if (rest.length % 3 !== 0) {
    throw new ToolExit(
      1,
      `remaining args: [${rest.join(',')}]\nlayers must be specified with 3-tuples of (name, buckettype, size)\n`,
    );
  }
}

/** The stages, one after the other. */
class Run {
  readonly #r: Request;
  readonly #tester: CrushTester;
  readonly #io: ToolIo;
  #map = new CrushMap();
  #modified = false;

  constructor(request: Request, tester: CrushTester, io: ToolIo) {
    this.#r = request;
    this.#tester = tester;
    this.#io = io;
  }

  run(layers: readonly string[]): number {
    const r = this.#r;
    if (r.infile !== '') this.#map = this.#read(r.infile);
    if (r.compile) this.#compile();
    if (r.build) {
      this.#map = buildMap(r.numOsds, layers, this.#io);
      this.#modified = true;
    }
    this.#adjustTunables();
    const status = this.#edits();
    if (status !== undefined) return status;
    this.#display();
    if (r.decompile) this.#decompile();
    if (r.check) {
      this.#tester.checkOverlappedRules(this.#map);
      if (r.maxId >= 0 && !this.#tester.checkNameMaps(this.#map, r.maxId)) return 1;
    }
    if (r.test) this.#tester.test(this.#map);
    if (r.compare !== '' && !this.#tester.compare(this.#map, this.#read(r.compare))) return 1;
    if (this.#modified) this.#write();
    return 0;
  }

  #read(path: string): CrushMap {
    let bytes: Uint8Array;
    try {
      bytes = this.#io.readFile(path === '-' ? '/dev/stdin' : path);
    } catch (error) {
      throw new ToolExit(1, `${ME}: error reading '${path}': can't open ${path}: ${describeError(error)}\n`);
    }
    try {
      return decodeCrushMap(bytes);
    } catch (error) {
      throw new ToolExit(1, `${ME}: unable to decode ${path}\n${this.#r.verbose > 0 ? `${String(error)}\n` : ''}`);
    }
  }

  #compile(): void {
    const { source, verbose } = this.#r;
    let text: string;
    try {
      text = decodeText(this.#io.readFile(source));
    } catch {
      throw new ToolExit(256 - 2, `input file ${source} not found\n`);
    }
    try {
      this.#map = compileCrushMap(text, verbose > 0 ? (logged) => this.#io.err(`${logged}\n`) : undefined);
    } catch (error) {
      if (error instanceof CrushSyntaxError) {
        const expected = error.expected.join(' or ');
        throw new ToolExit(
          1,
          `${source}:${error.statementLine} error: parse error at '${error.statementText}'\n` +
            `${source}:${error.line}:${error.column}: expected ${expected}\n`,
        );
      }
      if (error instanceof CrushCompileError) throw new ToolExit(1, error.message === '' ? '' : `${error.message}\n`);
      throw error;
    }
    this.#modified = true;
  }

  #adjustTunables(): void {
    const t = this.#map.tunables;
    for (const [key, value] of Object.entries(this.#r.tunables) as [keyof Tunables, number][]) {
      if (value < 0) continue;
      const byte = key === 'chooseleafVaryR' || key === 'chooseleafStable' || key === 'strawCalcVersion';
      t[key] = key === 'chooseleafDescendOnce' ? Number(value !== 0) : byte ? value & 0xff : value;
      this.#modified = true;
    }
    this.#map.changed();
  }

  /** Makes a change; a failure is told and gives the exit status. */
  #attempt(change: () => void, describe: (error: ErrnoError) => string): number | undefined {
    try {
      change();
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      this.#io.err(describe(error));
      return STATUS_OF(error);
    }
    this.#modified = true;
    return undefined;
  }

  #edits(): number | undefined {
    const named = this.#editNamed();
    if (named !== undefined) return named;
    const r = this.#r;
    const map = this.#map;
    const short = (error: ErrnoError): string => `${ME} ${errnoText(error)}\n`;
    const { item, place } = r;
    if (item !== undefined && item.id >= 0) {
      const edit = r.updateItem ? updateItem : insertItem;
      const status = this.#attempt(() => edit(map, item.id, item.weight, item.name, place), short);
      if (status !== undefined) return status;
    }
    const status = this.#addBucket() ?? this.#move() ?? this.#rules();
    if (status !== undefined) return status;
    if (r.reweight) {
      reweightAll(map);
      this.#modified = true;
    }
    if (r.rebuildClassRoots) {
      const failed = this.#attempt(
        () => rebuildShadows(map),
        () => 'failed to rebuidl roots with classes\n',
      );
      if (failed !== undefined) return 1;
    }
    for (const [bucket, className] of [...r.subtreeClasses].sort(byKey)) {
      // Ceph does not look whether it could.
      this.#attempt(
        () => setSubtreeClass(map, bucket, className),
        () => '',
      );
      this.#modified = true;
    }
    return r.reclassify ? this.#reclassify() : undefined;
  }

  #editNamed(): number | undefined {
    const { reweightName, reweightWeight, removeName } = this.#r;
    const map = this.#map;
    const find = (name: string): number => {
      const id = map.itemId(name);
      if (id !== undefined) return id;
      this.#io.err(` name ${name} dne\n`);
      throw new ErrnoError('ENOENT', name);
    };
    const short = (error: ErrnoError): string => `${ME} ${errnoText(error)}\n`;
    if (reweightName !== '') {
      this.#io.out(`${ME} reweighting item ${reweightName} to ${formatG(reweightWeight)}\n`);
      const status = this.#attempt(() => {
        if (adjustItemWeight(map, find(reweightName), weightToFixed(reweightWeight)) === 0) {
          throw new ErrnoError('ENOENT', reweightName);
        }
      }, short);
      if (status !== undefined) return status;
    }
    if (removeName === '') return undefined;
    this.#io.out(`${ME} removing item ${removeName}\n`);
    return this.#attempt(() => removeItem(map, find(removeName)), short);
  }

  #addBucket(): number | undefined {
    const { bucket, place } = this.#r;
    if (bucket === undefined) return undefined;
    const map = this.#map;
    const { name, type } = bucket;
    return this.#attempt(
      () => {
        const id = addNamedBucket(map, name, type);
        if (place.size === 0 || weightAtLocation(map, id, place) !== undefined) return;
        try {
          moveBucket(map, id, place);
        } catch (error) {
          if (!(error instanceof ErrnoError)) throw error;
          throw new MoveError(error);
        }
      },
      (error) => {
        if (error instanceof MoveError) return `${ME} error moving bucket '${name}' to ${showPlace(place)}\n`;
        if (error.errnoName === 'EEXIST') return `${ME} bucket '${name}' already exists\n`;
        const badType = (map.typeId(type) ?? 0) <= 0;
        return badType ? `${ME} bad bucket type: ${type}\n` : `${ME} bad bucket name: ${name}\n`;
      },
    );
  }

  #move(): number | undefined {
    const { moveName: name, place } = this.#r;
    if (name === undefined) return undefined;
    const map = this.#map;
    const id = map.itemId(name);
    if (id === undefined) {
      this.#io.err(`${ME} item '${name}' does not exist\n`);
      return 256 - 2;
    }
    if (place.size === 0) {
      this.#io.err(`${ME} expecting additional --loc argument to --move\n`);
      return 256 - 22;
    }
    if (weightAtLocation(map, id, place) !== undefined) {
      this.#io.err(`${ME} item '${name}' already at ${showPlace(place)}\n`);
      return 1;
    }
    return this.#attempt(
      () => {
        if (id >= 0) createOrMoveItem(map, id, 0, name, place);
        else moveBucket(map, id, place);
      },
      () => '',
    );
  }

  #rules(): number | undefined {
    const { rule, removeRuleName, deviceClass } = this.#r;
    const map = this.#map;
    if (rule !== undefined) {
      if (map.ruleId(rule.name) !== undefined) {
        this.#io.err(`rule ${rule.name} already exists\n`);
        return 1;
      }
      const { name, root, mode } = rule;
      const status = this.#attempt(
        () => addSimpleRule(map, { name, root, failureDomain: rule.type, deviceClass, mode }),
        (error) => `${error.message.replace(/^E[A-Z]+: /, '')}\n`,
      );
      if (status !== undefined) return 1;
    }
    if (removeRuleName === undefined) return undefined;
    const id = map.ruleId(removeRuleName);
    if (id === undefined) {
      this.#io.err(`rule ${removeRuleName} does not exist\n`);
      return 0;
    }
    const failed = this.#attempt(
      () => removeRule(map, id),
      () => `fail to remove rule ${removeRuleName}\n`,
    );
    return failed === undefined ? undefined : 1;
  }

  #reclassify(): number | undefined {
    const { reclassifyRoots, reclassifyBuckets } = this.#r;
    const buckets: ReclassifyBucket[] = [...reclassifyBuckets].map(([match, { className, parent }]) => ({
      match,
      className,
      defaultParent: parent,
    }));
    const failed = this.#attempt(
      () => reclassify(this.#map, [...reclassifyRoots].sort(byKey), buckets, (text) => this.#io.out(`${text}\n`)),
      () => 'failed to reclassify map\n',
    );
    return failed === undefined ? undefined : 1;
  }

  #display(): void {
    const r = this.#r;
    const map = this.#map;
    if (r.location >= 0) {
      for (const [type, name] of [...(fullLocation(map, r.location) ?? [])].sort(byKey)) {
        this.#io.out(`${type}\t${name}\n`);
      }
    }
    if (r.tree) {
      const { headings, rows } = treeTable(map, new Map(), { showShadow: true });
      const table = new TextTable();
      headings.forEach((heading, i) => {
        if (i === headings.length - 1) table.column(heading, 'left', 'left');
        else table.column(heading, 'left', 'right');
      });
      for (const row of rows) table.row(...row);
      this.#io.out(table.toString());
    }
    if (r.bucketTree) {
      if (r.bucketName === '') this.#io.err(': error bucket_name is empty\n');
      else {
        const id = map.itemId(r.bucketName);
        const leaves = id === undefined ? [] : [...new Set(leavesOf(map, id))].sort((a, b) => a - b);
        this.#io.out(leaves.map((osd) => `osd.${osd}\n`).join(''));
      }
    }
    if (r.dump) {
      if (/^(table|html)/.test(r.dumpFormat)) {
        throw new ToolExit(1, `${ME}: format '${r.dumpFormat}' is not supported\n`);
      }
      const f = createFormatter(r.dumpFormat) ?? new JsonFormatter(true);
      f.openObject('crush_map');
      dumpCrushMap(map, f);
      f.close();
      this.#io.out(`${f.flush()}\n`);
    }
  }

  #decompile(): void {
    const { outfile } = this.#r;
    let text = '';
    try {
      text = decompileCrushMap(this.#map);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      this.#io.err(`${error.message}\n`);
    }
    if (outfile === '') this.#io.out(text);
    else this.#writeFile(outfile, encodeText(text), false);
  }

  #writeFile(path: string, bytes: Uint8Array, isMap: boolean): void {
    try {
      this.#io.writeFile(path, bytes);
    } catch (error) {
      const failed = `${ME}: error writing '${path}'`;
      if (!isMap) throw new ToolExit(1, `${failed}\n`);
      const reason = describeError(error);
      throw new ToolExit(1, `bufferlist::write_file(${path}): failed to open file: ${reason}\n${failed}: ${reason}\n`);
    }
  }

  #write(): void {
    const { outfile, verbose } = this.#r;
    this.#map.finalize();
    if (outfile === '') {
      this.#io.out(`${ME} successfully built or modified map.  Use '-o <file>' to write it out.\n`);
      return;
    }
    this.#writeFile(outfile, encodeCrushMap(this.#map, CEPH_FEATURES_ALL), true);
    if (verbose > 0) this.#io.out(`wrote crush map to ${outfile}\n`);
  }
}

/** A bucket was added and could not be put where it should. */
class MoveError extends ErrnoError {
  constructor(cause: ErrnoError) {
    super(cause.errnoName, cause.message);
  }
}
