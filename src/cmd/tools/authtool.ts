import { CryptoKey, type EntityAuth, KeyRing } from '../../auth/index.ts';
import { ErrnoError } from '../../base/index.ts';
import { parseConf } from '../../config/index.ts';
import { decodeText } from '../../encoding/index.ts';
import { systemEntropy } from '../../runtime/index.ts';
import { type AuthName, formatAuthName, parseAuthName, utimeToMs } from '../../types/index.ts';
import { Args, readOptions, showsVersion, ToolExit, takeConfig, wantsHelp } from './args.ts';
import { describeError, runTool, type ToolIo } from './io.ts';

const ME = 'ceph-authtool';

const USAGE = `usage: ceph-authtool keyringfile [OPTIONS]...
where the options are:
  -l, --list                    will list all keys and capabilities present in
                                the keyring
  -p, --print-key               will print an encoded key for the specified
                                entityname. This is suitable for the
                                'mount -o secret=..' argument
  -C, --create-keyring          will create a new keyring, overwriting any
                                existing keyringfile
  -g, --gen-key                 will generate a new secret key for the
                                specified entityname
  --gen-print-key               will generate a new secret key without set it
                                to the keyringfile, prints the secret to stdout
  --import-keyring FILE         will import the content of a given keyring
                                into the keyringfile
  -n NAME, --name NAME          specify entityname to operate on
  -a BASE64, --add-key BASE64   will add an encoded key to the keyring
  --cap SUBSYSTEM CAPABILITY    will set the capability for given subsystem
  --caps CAPSFILE               will set all of capabilities associated with a
                                given key, for all subsystems
  --mode MODE                   will set the desired file mode to the keyring
                                e.g: '0644', defaults to '0600'
`;

/** Services whose caps a caps file may give. */
const CAPS_SERVICES = ['mon', 'osd', 'mds', 'mgr'];

interface Request {
  readonly name: AuthName;
  file: string;
  addKey: string;
  capsFile: string;
  importFrom: string;
  readonly caps: Map<string, string>;
  genKey: boolean;
  genPrintKey: boolean;
  list: boolean;
  printKey: boolean;
  create: boolean;
  /** Of the file, where it is made. */
  mode: number;
}

/** `name`: whom the tool is about, which Ceph's tools read before all else. */
function parse(words: readonly string[], name: AuthName, io: ToolIo): Request {
  const request: Request = {
    name,
    file: '',
    addKey: '',
    capsFile: '',
    importFrom: '',
    caps: new Map(),
    genKey: false,
    genPrintKey: false,
    list: false,
    printKey: false,
    create: false,
    mode: 0o600,
  };
  const args = new Args(words);
  const set = (changes: Partial<Request>) => (): void => void Object.assign(request, changes);
  const addKey = (text: string): void => {
    if (text === '') throw new ToolExit(1, 'Option --add-key requires an argument\n');
    request.addKey = text;
  };
  readOptions(args, {
    flags: {
      '-g': set({ genKey: true }),
      '--gen-key': set({ genKey: true }),
      '--gen-print-key': set({ genPrintKey: true }),
      '-l': set({ list: true }),
      '--list': set({ list: true }),
      '-p': set({ printKey: true }),
      '--print-key': set({ printKey: true }),
      '-C': set({ create: true }),
      '--create-keyring': set({ create: true }),
    },
    values: {
      '-a': addKey,
      '--add-key': addKey,
      '--caps': (text) => {
        request.capsFile = text;
      },
      '--cap': (service) => {
        const caps = args.take();
        if (caps === undefined) throw new ToolExit(1, 'must give two arguments to --cap: key and val.\n');
        request.caps.set(service, caps);
      },
      '--import-keyring': (text) => {
        request.importFrom = text;
      },
      '--mode': (text) => {
        if (!/^[0-7]+$/.test(text)) throw new ToolExit(1, 'Option --mode requires an argument\n');
        request.mode = Number.parseInt(text, 8);
      },
    },
  });
  const [file, extra] = args.words;
  request.file = file ?? '';
  if (extra !== undefined) fail(io, `${ME}: unexpected '${extra}'\n`);
  return request;
}

function parseName(text: string): AuthName {
  const name = parseAuthName(text);
  if (name !== undefined) return name;
  throw new ToolExit(
    1,
    `error parsing '${text}': expected string of the form TYPE.ID, valid types are: auth, mon, osd, mds, mgr, client\n`,
  );
}

/** What is wrong goes to stderr, how it is right to stdout. */
function fail(io: ToolIo, what: string): never {
  io.err(what);
  io.out(USAGE);
  throw new ToolExit(1);
}

function check(r: Request, io: ToolIo): void {
  if (r.file === '' && !r.genPrintKey) fail(io, `${ME}: must specify filename\n`);
  const hasCommand =
    r.genKey ||
    r.genPrintKey ||
    r.addKey !== '' ||
    r.list ||
    r.capsFile !== '' ||
    r.caps.size > 0 ||
    r.printKey ||
    r.create ||
    r.importFrom !== '';
  if (!hasCommand) fail(io, 'no command specified\n');
  if (r.genKey && r.addKey !== '') fail(io, "can't both gen-key and add-key\n");
  if (r.create && !r.genKey && r.addKey === '' && r.caps.size > 0) {
    fail(io, 'must specify either gen-key or add-key when creating\n');
  }
}

function readKeyring(path: string, io: ToolIo): KeyRing {
  let bytes: Uint8Array;
  try {
    bytes = io.readFile(path);
  } catch (error) {
    throw new ToolExit(1, `can't open ${path}: can't open ${path}: ${describeError(error)}\n`);
  }
  try {
    return KeyRing.parse(bytes, path);
  } catch (error) {
    if (error instanceof ErrnoError) throw new ToolExit(1, `error reading file ${path}\n`);
    throw error;
  }
}

/** Ceph's parser takes sections, or else a single line without one, whatever the manual says. Undefined: fine so far. */
function capsFileProblem(text: string): string | undefined {
  const lines = text.split('\n');
  const content = (from: number): number => lines.findIndex((line, i) => i >= from && !/^\s*([#;].*)?$/.test(line));
  const first = content(0);
  if (first < 0 || lines[first]!.startsWith('[')) return undefined;
  const second = first === 0 ? content(1) : first;
  if (second > 0) return `'<eoi>' in line ${second + 1} at position 1`;
  if (!lines[0]!.includes('=')) return "'<eoi>' in line 1 at position 1";
  return lines.length === 1 ? `'<empty_line>' in line 1 at position ${text.length + 1}` : undefined;
}

function readCaps(path: string, io: ToolIo): Map<string, string> {
  const problem = new ToolExit(1, `could not parse caps file ${path}\n`);
  let text: string;
  try {
    text = decodeText(io.readFile(path));
  } catch (error) {
    const why = describeError(error).replace(/^\(\d+\) /, '');
    io.err(`parse_file: filesystem error: cannot get file size: ${why} [${path}]`);
    throw problem;
  }
  const bad = capsFileProblem(text);
  if (bad !== undefined) {
    io.err(`parse error: expected ${bad}\n`);
    throw problem;
  }
  let given: ReadonlyMap<string, string> | undefined;
  try {
    given = parseConf(text, path).get('global');
  } catch (error) {
    if (error instanceof ErrnoError) throw problem;
    throw error;
  }
  const caps = new Map<string, string>();
  for (const service of CAPS_SERVICES) {
    const value = given?.get(service);
    if (value !== undefined) caps.set(service, value);
  }
  return caps;
}

function newKey(io: ToolIo): CryptoKey {
  return CryptoKey.create(systemEntropy, utimeToMs(io.now()));
}

function tool(argv: string[], io: ToolIo): number {
  if (argv.length === 0) throw new ToolExit(1, `${ME}: -h or --help for usage\n`);
  if (wantsHelp(argv)) {
    io.out(USAGE);
    return 1;
  }
  if (showsVersion(argv, io)) return 0;
  let name = parseName('client.admin');
  const args = new Args(argv);
  const setName = (text: string): void => {
    name = parseName(text);
  };
  readOptions(args, { flags: {}, values: { '-n': setName, '--name': setName } });
  return run(parse(takeConfig(args.words).rest, name, io), io);
}

function run(r: Request, io: ToolIo): number {
  check(r, io);
  if (r.genPrintKey) {
    io.out(`${newKey(io).toBase64()}\n`);
    return 0;
  }
  if (r.create) io.out(`creating ${r.file}\n`);
  const keyring = r.create ? new KeyRing() : readKeyring(r.file, io);
  const name = formatAuthName(r.name);
  if (!r.genKey && r.addKey === '' && r.caps.size > 0 && keyring.get(name) === undefined) {
    throw new ToolExit(1, `can't find existing key for ${name} and neither gen-key nor add-key specified\n`);
  }
  const isModified = change(keyring, r, name, io);
  if (r.list) io.out(keyring.format());
  if (r.printKey) {
    const key = keyring.key(name);
    if (key === undefined) throw new ToolExit(1, `entity ${name} not found\n`);
    io.out(`${key.toBase64()}\n`);
  }
  if (isModified || r.create) {
    try {
      io.writeFile(r.file, keyring.toBytes(), r.mode);
    } catch (error) {
      io.err(`bufferlist::write_file(${r.file}): failed to open file: ${describeError(error)}\n`);
      throw new ToolExit(1, `could not write ${r.file}\n`);
    }
  }
  return 0;
}

function change(keyring: KeyRing, r: Request, name: string, io: ToolIo): boolean {
  let isModified = false;
  const set = (changes: Partial<EntityAuth>): void => {
    const auth = keyring.get(name) ?? { key: CryptoKey.none, caps: new Map() };
    keyring.set(name, { ...auth, ...changes });
    isModified = true;
  };
  if (r.importFrom !== '') {
    const other = readKeyring(r.importFrom, io);
    io.out(`importing contents of ${r.importFrom} into ${r.file}\n`);
    keyring.import(other);
    isModified = true;
  }
  if (r.genKey) set({ key: newKey(io), caps: new Map() });
  if (r.addKey !== '') {
    const key = CryptoKey.fromBase64(r.addKey);
    if (key === undefined) throw new ToolExit(1, `can't decode key '${r.addKey}'\n`);
    set({ key, caps: new Map() });
    // Ceph's tool tells the key it was given, on stdout.
    io.out(`added entity ${name} auth(key=${key.toBase64()})\n`);
  }
  if (r.capsFile !== '') set({ caps: readCaps(r.capsFile, io) });
  if (r.caps.size > 0) set({ caps: r.caps });
  if (r.addKey !== '' && r.caps.size > 0) io.out(`added ${r.caps.size} caps to entity ${name}\n`);
  return isModified;
}

/** `ceph-authtool`: makes and changes keyring files. Returns the exit status. */
export function authtool(argv: string[], io?: ToolIo): number {
  return runTool(tool, argv, io);
}
