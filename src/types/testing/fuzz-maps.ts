import { crc32c, ErrnoError, entropyBelow, SeededEntropy } from '../../base/index.ts';
import {
  CrushCompileError,
  CrushSyntaxError,
  compileCrushMap,
  decodeCrushMap,
  decompileCrushMap,
  encodeCrushMap,
  Mapper,
} from '../../crush/index.ts';
import { type Codec, DecodeError, decodeFromBytes, encodeToBytes, Reader } from '../../encoding/index.ts';
import {
  decodeOSDMapIncremental,
  dumpFsMap,
  dumpMgrMap,
  dumpMonMap,
  dumpOSDMap,
  encodeOSDMapIncremental,
  fsMap,
  mgrMap,
  monMap,
  OSDMap,
  osdMapEncodingFeatures,
  printOSDMap,
  toJson,
} from '../index.ts';
import { corpusBytes } from './corpus.ts';

export interface MapFuzzReport {
  readonly cases: number;
  /** Mutants that were read, by kind of map; the rest was refused. */
  readonly decoded: Readonly<Record<string, number>>;
  /** Longest case, and which. */
  readonly slowest: { readonly ms: number; readonly kind: string; readonly index: number };
}

const WORDS = [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x00ffffff, 0x10000, 0x40000000] as const;

function mutate(bytes: Uint8Array, random: SeededEntropy): Uint8Array {
  if (bytes.length === 0) return random.bytes(entropyBelow(random, 16));
  const b = bytes.slice();
  const at = entropyBelow(random, b.length);
  switch (entropyBelow(random, 7)) {
    case 0:
      return b.subarray(0, at);
    case 1:
      b[at] = random.u32() & 0xff;
      return b;
    case 2:
    case 3: {
      const word = WORDS[entropyBelow(random, WORDS.length)]!;
      for (let i = 0; i < 4 && at + i < b.length; i++) b[at + i] = (word >>> (8 * i)) & 0xff;
      return b;
    }
    case 4:
      b[at] = b[at]! ^ (1 << entropyBelow(random, 8));
      return b;
    case 5: {
      // A part over another: ids and sizes that are plausible elsewhere.
      const length = 1 + entropyBelow(random, 16);
      b.copyWithin(at, entropyBelow(random, b.length), Math.min(b.length, at + length));
      return b;
    }
    default: {
      const more = random.bytes(1 + entropyBelow(random, 8));
      const longer = new Uint8Array(b.length + more.length);
      longer.set(b.subarray(0, at));
      longer.set(more, at);
      longer.set(b.subarray(at), at + more.length);
      return longer;
    }
  }
}

/** Puts the right checksum where a map's (or incremental's) own stands, so that what lies before it is looked at. `tail`: bytes after it. */
function reseal(bytes: Uint8Array, tail: number): Uint8Array {
  const b = bytes.slice();
  const at = b.length - tail - 4;
  if (at < 6) return b;
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  view.setUint32(2, b.length - 6, true);
  view.setUint32(at, crc32c(crc32c(0xffffffff, b.subarray(0, at)), b.subarray(at + 4)), true);
  return b;
}

function incrementals(): Uint8Array[] {
  const r = new Reader(corpusBytes('maps/osdmap-incrementals.bin'));
  const list: Uint8Array[] = [];
  while (r.remaining > 0) list.push(r.blob());
  return list;
}

/** A kind of map: what its mutants are made of, and what is done with one (which throws DecodeError or the like where it is refused). */
interface Kind {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  readonly seal?: (bytes: Uint8Array) => Uint8Array;
  use(bytes: Uint8Array, random: SeededEntropy): void;
}

function useCrush(bytes: Uint8Array, random: SeededEntropy): void {
  const map = decodeCrushMap(bytes);
  encodeCrushMap(map);
  const text = decompileCrushMap(map);
  const mapper = new Mapper(map, 'plain');
  const weights = new Array<number>(Math.min(map.maxDevices, 4096)).fill(0x10000);
  const rule = entropyBelow(random, Math.max(1, map.rules.length));
  for (let x = 0; x < 4; x++) mapper.doRule(rule, x, 3, weights);
  if (entropyBelow(random, 4) !== 0) return;
  try {
    compileCrushMap(text);
  } catch (error) {
    if (!(error instanceof CrushCompileError || error instanceof CrushSyntaxError)) throw error;
  }
}

function useCodec<T>(codec: Codec<T>, dump: (value: T) => void): (bytes: Uint8Array) => void {
  return (bytes) => {
    const value = decodeFromBytes(codec, bytes);
    encodeToBytes(codec, value, osdMapEncodingFeatures(16));
    dump(value);
  };
}

function kinds(): Kind[] {
  const incs = incrementals();
  const full = corpusBytes('maps/osdmap-179.bin');
  const later = corpusBytes('maps/osdmap-227.bin');
  const base = OSDMap.decode(full);
  const bases = new Map<number, OSDMap>();
  let map = new OSDMap();
  for (const bytes of incs) {
    bases.set(map.epoch, map);
    map = map.apply(decodeOSDMapIncremental(bytes));
  }
  const crushes = [base.crushBytes];
  for (const old of bases.values())
    if (old.crushBytes.length > 0 && !crushes.includes(old.crushBytes)) crushes.push(old.crushBytes);
  return [
    { name: 'crush', seeds: crushes, use: useCrush },
    {
      name: 'osdmap',
      seeds: [full, later],
      seal: (bytes) => reseal(bytes, 0),
      use(bytes) {
        const decoded = OSDMap.decode(bytes);
        try {
          decoded.encode();
        } catch (error) {
          // Fields that say of themselves that they are from before Luminous.
          if (!(error instanceof RangeError)) throw error;
        }
        for (const id of decoded.pools.keys()) for (let seed = 0; seed < 2; seed++) decoded.pgMapping(id, seed);
        toJson((f) => dumpOSDMap(decoded, f));
        printOSDMap(decoded);
      },
    },
    {
      name: 'incremental',
      seeds: incs.filter((bytes) => bytes.length < 6000),
      seal: (bytes) => reseal(bytes, 4),
      use(bytes) {
        const inc = decodeOSDMapIncremental(bytes);
        const before = bases.get(inc.epoch - 1);
        if (before !== undefined) before.apply(inc).encode();
        encodeOSDMapIncremental(inc, osdMapEncodingFeatures(16));
      },
    },
    {
      name: 'monmap',
      seeds: [corpusBytes('maps/monmap-1.bin')],
      use: useCodec(monMap, (value) => toJson((f) => dumpMonMap(value, f))),
    },
    {
      name: 'mgrmap',
      seeds: [corpusBytes('maps/mgrmap-4.bin')],
      use: useCodec(mgrMap, (value) => toJson((f) => dumpMgrMap(value, f))),
    },
    {
      name: 'fsmap',
      seeds: [corpusBytes('maps/fsmap-6.bin'), corpusBytes('maps/fsmap-1.bin')],
      use: useCodec(fsMap, (value) => toJson((f) => dumpFsMap(value, f))),
    },
  ];
}

/** The engine's own RangeErrors (stack, array length) are no refusals. */
const isRefusal = (error: unknown): boolean =>
  error instanceof DecodeError ||
  error instanceof ErrnoError ||
  (error instanceof RangeError && !/call stack|^Invalid|Array buffer|offset/.test(error.message));

/**
 * Mutants of every kind of map: decoded, encoded again, dumped, mapped. Throws where one gives anything but a value or a refusal, or takes longer
 * than `limitMs`; a failure names seed and case.
 */
export function fuzzMaps(cases: number, seed: number, clock: () => number, limitMs = 20_000): MapFuzzReport {
  const random = new SeededEntropy(seed);
  const all = kinds();
  const decoded: Record<string, number> = Object.fromEntries(all.map(({ name }) => [name, 0]));
  let slowest = { ms: 0, kind: '', index: 0 };
  for (let index = 0; index < cases; index++) {
    const kind = all[index % all.length]!;
    let bytes = kind.seeds[entropyBelow(random, kind.seeds.length)]!;
    for (let n = 1 + entropyBelow(random, 3); n > 0; n--) bytes = mutate(bytes, random);
    if (kind.seal !== undefined && entropyBelow(random, 8) !== 0) bytes = kind.seal(bytes);
    const started = clock();
    try {
      kind.use(bytes, random);
      decoded[kind.name]!++;
    } catch (error) {
      if (!isRefusal(error)) throw new Error(`seed ${seed}, case ${index} (${kind.name})`, { cause: error });
    }
    const ms = clock() - started;
    if (ms > slowest.ms) slowest = { ms, kind: kind.name, index };
    if (ms > limitMs) throw new Error(`seed ${seed}, case ${index} (${kind.name}) took ${Math.round(ms)} ms`);
  }
  return { cases, decoded, slowest };
}
