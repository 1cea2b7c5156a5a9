import { type Args, readOptions, wholeNumber } from './args.ts';

/** What the command line asks for. Numbers are -1 where not given. */
export interface OsdMapToolRequest {
  print: boolean;
  printFormat: string;
  tree: boolean;
  treeFormat: string;
  createSimple: number | undefined;
  createFromConf: boolean;
  withPool: boolean;
  pgBits: number;
  pgpBits: number;
  clobber: boolean;
  exportCrush: string;
  importCrush: string;
  testMapPg: string;
  testMapObject: string;
  testMapPgs: 'none' | 'acting' | 'all' | undefined;
  testRandom: boolean;
  testCrush: boolean;
  pgNum: number;
  pool: number;
  rangeFirst: number;
  rangeLast: number;
  markUpIn: boolean;
  markOut: number;
  markUp: number;
  markIn: number;
  clearTemp: boolean;
  cleanTemps: boolean;
  health: boolean;
  upmap: boolean;
  upmapCleanup: boolean;
  upmapFile: string;
  upmapMax: number;
  upmapDeviation: number;
  upmapActive: boolean;
  readonly upmapPools: string[];
  adjustCrushWeight: string;
  save: boolean;
}

function emptyRequest(): OsdMapToolRequest {
  return {
    print: false,
    printFormat: '',
    tree: false,
    treeFormat: '',
    createSimple: undefined,
    createFromConf: false,
    withPool: false,
    pgBits: 6,
    pgpBits: 6,
    clobber: false,
    exportCrush: '',
    importCrush: '',
    testMapPg: '',
    testMapObject: '',
    testMapPgs: undefined,
    testRandom: false,
    testCrush: false,
    pgNum: -1,
    pool: -1,
    rangeFirst: -1,
    rangeLast: -1,
    markUpIn: false,
    markOut: -1,
    markUp: -1,
    markIn: -1,
    clearTemp: false,
    cleanTemps: false,
    health: false,
    upmap: false,
    upmapCleanup: false,
    upmapFile: '-',
    upmapMax: 10,
    upmapDeviation: 5,
    upmapActive: false,
    upmapPools: [],
    adjustCrushWeight: '',
    save: false,
  };
}

type Keys<T> = { [K in keyof OsdMapToolRequest]: OsdMapToolRequest[K] extends T ? K : never }[keyof OsdMapToolRequest];

/** Takes the options out of the command line. */
export function parseOsdMapTool(args: Args): OsdMapToolRequest {
  const q = emptyRequest();
  const on = (key: Keys<boolean>) => (): void => {
    q[key] = true;
  };
  const text =
    (key: Keys<string>) =>
    (value: string): void => {
      q[key] = value;
    };
  const int =
    (key: Keys<number>) =>
    (value: string): void => {
      q[key] = wholeNumber(value);
    };
  const testPgs = (dump: 'none' | 'acting' | 'all') => (): void => {
    // The fuller of several wins.
    const order = ['none', 'acting', 'all'];
    if (q.testMapPgs === undefined || order.indexOf(dump) > order.indexOf(q.testMapPgs)) q.testMapPgs = dump;
  };
  readOptions(args, {
    flags: {
      '-p': on('print'),
      '--print': on('print'),
      '--upmap-active': on('upmapActive'),
      '--health': on('health'),
      '--with-default-pool': on('withPool'),
      '--create-from-conf': on('createFromConf'),
      '--mark-up-in': on('markUpIn'),
      '--clear-temp': on('clearTemp'),
      '--clean-temps': on('cleanTemps'),
      '--test-map-pgs': testPgs('none'),
      '--test-map-pgs-dump': testPgs('acting'),
      '--test-map-pgs-dump-all': testPgs('all'),
      '--test-random': on('testRandom'),
      '--clobber': on('clobber'),
      '--test-crush': on('testCrush'),
      '--save': on('save'),
    },
    values: {
      '--dump': (format) => {
        q.print = true;
        q.printFormat = format === 'plain' ? '' : format;
      },
      '--tree': (format) => {
        q.tree = true;
        q.treeFormat = format === 'plain' ? '' : format;
      },
      '--createsimple': (value) => {
        q.createSimple = wholeNumber(value);
      },
      '--osd-pg-bits': int('pgBits'),
      '--pg-bits': int('pgBits'),
      '--osd-pgp-bits': int('pgpBits'),
      '--pgp-bits': int('pgpBits'),
      '--upmap-cleanup': (file) => {
        q.upmapFile = file;
        q.upmapCleanup = true;
      },
      '--upmap': (file) => {
        q.upmapFile = file;
        q.upmapCleanup = true;
        q.upmap = true;
      },
      '--upmap-max': int('upmapMax'),
      '--upmap-deviation': int('upmapDeviation'),
      '--upmap-pool': (name) => void q.upmapPools.push(name),
      '--mark-out': int('markOut'),
      '--mark-up': int('markUp'),
      '--mark-in': int('markIn'),
      '--export-crush': text('exportCrush'),
      '--import-crush': text('importCrush'),
      '--test-map-pg': text('testMapPg'),
      '--test-map-object': text('testMapObject'),
      '--pg-num': int('pgNum'),
      '--range-first': int('rangeFirst'),
      '--range-last': int('rangeLast'),
      '--pool': int('pool'),
      '--adjust-crush-weight': text('adjustCrushWeight'),
    },
    mayLackValue: ['--dump', '--tree', '--adjust-crush-weight'],
    // Ceph's tool keeps these in one variable, which an option without a value finds.
    remembered: [
      '--dump',
      '--tree',
      '--upmap-pool',
      '--mark-out',
      '--mark-up',
      '--mark-in',
      '--export-crush',
      '--import-crush',
      '--test-map-pg',
      '--test-map-object',
      '--adjust-crush-weight',
    ],
  });
  return q;
}
