import { fillLnTables, lnRanks, lnTable } from './ln.ts';

/*
 * straw2's inner loop in WebAssembly, four hashes to a SIMD register and two registers at a time. The module is assembled here, from the same
 * schedule of the mix as `straw2.ts` has in line: it is one function,
 *
 *   choose(ids, weights, size, x, r) -> index
 *
 * over one memory: the table of logarithms at 0, their ranks, then the ids (i32) and weights (f64, 0 for none) of buckets, padded to multiples of
 * eight so that whole registers can be read. A weight of 0 never wins: ln > best * 0 is false for every best.
 *
 * Where all weights are equal (weights = 0 says so) the longest straw is the greatest logarithm, and its rank among the values of the table is
 * enough (`equalWeights` says when). Padding then repeats the first id, which cannot beat itself.
 */

const RANKS_AT = 0x10000 * 8;
const TABLE_BYTES = RANKS_AT + 0x10000 * 2;
const PAGE = 0x10000;
/** Items' data kept at one time (4 MiB is 300,000 items); what does not fit evicts the rest. */
const DATA_BYTES = 4 * 1024 * 1024;

export type ChooseKernel = (ids: number, weights: number, size: number, x: number, r: number) => number;

interface WasmInstance {
  readonly exports: { readonly choose: ChooseKernel };
}

/** The part of the WebAssembly namespace used here: it is in browsers and in Node, but in neither's absence of types. */
interface WasmNamespace {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { readonly m: { readonly m: object } }) => WasmInstance;
  Memory: new (options: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer };
}

/** Where the data of one mapper lies in the shared memory. Valid while `generation` is the arena's. */
export interface Region {
  readonly generation: number;
  readonly base: number;
}

/** The kernel, its memory, and what lies in it. There is one for all mappers: a memory per map would cost gigabytes of address space each. */
export class Straw2Arena {
  readonly choose: ChooseKernel;
  readonly #i32: Int32Array;
  readonly #f64: Float64Array;
  #used = TABLE_BYTES;
  #generation = 0;

  constructor(wasm: WasmNamespace, bytes: Uint8Array) {
    const pages = (TABLE_BYTES + DATA_BYTES) / PAGE;
    const memory = new wasm.Memory({ initial: pages, maximum: pages });
    this.choose = new wasm.Instance(new wasm.Module(bytes), { m: { m: memory } }).exports.choose;
    this.#i32 = new Int32Array(memory.buffer);
    this.#f64 = new Float64Array(memory.buffer);
    fillLnTables();
    this.#f64.set(lnTable);
    new Uint16Array(memory.buffer).set(lnRanks, RANKS_AT / 2);
  }

  holds(region: Region | undefined): region is Region {
    return region !== undefined && region.generation === this.#generation;
  }

  /** Room for `bytes`; undefined for more than there is at all. May invalidate every earlier region. */
  reserve(bytes: number): Region | undefined {
    if (bytes > DATA_BYTES) return undefined;
    if (this.#used + bytes > TABLE_BYTES + DATA_BYTES) {
      this.#used = TABLE_BYTES;
      this.#generation++;
    }
    const base = this.#used;
    this.#used += (bytes + 15) & ~15;
    return { generation: this.#generation, base };
  }

  writeIds(at: number, ids: Int32Array): void {
    this.#i32.fill(ids[0] ?? 0, at / 4, at / 4 + padded(ids.length));
    this.#i32.set(ids, at / 4);
  }

  writeWeights(at: number, weights: Float64Array): void {
    this.#f64.fill(0, at / 8, at / 8 + padded(weights.length));
    this.#f64.set(weights, at / 8);
  }
}

/** Places that `size` items take. */
export const padded = (size: number): number => (size + 7) & ~7;

let arena: Straw2Arena | null | undefined;

/** The arena, or null where WebAssembly (or its SIMD) is not to be had; undefined where it was not made yet and `make` is not set. */
export function straw2Arena(make: boolean): Straw2Arena | null | undefined {
  if (arena === undefined && make) {
    const wasm = (globalThis as { readonly WebAssembly?: WasmNamespace }).WebAssembly;
    const bytes = assemble();
    try {
      arena = wasm?.validate(bytes) ? new Straw2Arena(wasm, bytes) : null;
    } catch {
      // Forbidden (a page's security policy) or out of memory: the plain form does.
      arena = null;
    }
  }
  return arena;
}

// --- the assembler -----------------------------------------------------------------------------------------------------------------------

const I32 = 0x7f;
const F64 = 0x7c;
const V128 = 0x7b;
const EMPTY_BLOCK = 0x40;

function leb(n: number): number[] {
  const out: number[] = [];
  let rest = n;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
  return out;
}

/** Signed LEB128 of 32 bits. */
function sleb(n: number): number[] {
  const out: number[] = [];
  let rest = n | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) return [...out, byte];
    out.push(byte | 0x80);
  }
}

const get = (local: number): number[] => [0x20, ...leb(local)];
const set = (local: number): number[] => [0x21, ...leb(local)];
const i32 = (n: number): number[] => [0x41, ...sleb(n)];
const simd = (op: number): number[] => [0xfd, ...leb(op)];
const f64Load = (offset: number): number[] => [0x2b, 3, ...leb(offset)];
const u16Load = (offset: number): number[] => [0x2f, 1, ...leb(offset)];
const ADD = 0x6a;
const XOR = 0x73;
const LT_S = 0x48;
const GT_S = 0x4a;
const SELECT = 0x1b;
const RETURN = 0x0f;
const F64_GT = 0x64;
const F64_MUL = 0xa2;
const F64_DIV = 0xa3;
const F64_TRUNC = 0x9d;
const SPLAT = simd(0x11);
const V_AND = simd(0x4e);
const V_XOR = simd(0x51);
const V_SHL = simd(0xab);
const V_SHR = simd(0xad);
const V_SUB = simd(0xb1);
const vLoad = (offset: number): number[] => [...simd(0x00), 4, ...leb(offset)];
const extract = (lane: number): number[] => [...simd(0x1b), lane];

// Parameters and locals.
const [IDS, WEIGHTS, SIZE, X, R, AT, HIGH, RANK, BEST_RANK, BEST, LN, W, SEED] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];
/** Six variables of the hash in each of two registers, from this local on. */
const VARIABLES = 13;
const NAMES = 'abcpqh';
const variable = (name: string, lane: number): number => VARIABLES + lane * NAMES.length + NAMES.indexOf(name);

/** The five mixes of a hash of three, each over three variables, and the shifts of a mix's nine lines. */
const MIXES = ['abh', 'cph', 'qah', 'bph', 'qch'];
const SHIFTS = [13, 8, 13, 12, 16, 5, 3, 10, 15];

function hash(lanes: readonly number[]): number[] {
  const code: number[] = [];
  for (const lane of lanes) {
    const v = (name: string): number => variable(name, lane);
    code.push(...get(X), ...SPLAT, ...set(v('a')));
    code.push(...get(IDS), ...vLoad(16 * lane), ...set(v('b')));
    code.push(...get(R), ...SPLAT, ...set(v('c')));
    code.push(...get(SEED), ...get(v('b')), ...V_XOR, ...set(v('h')));
    code.push(...i32(231232), ...SPLAT, ...set(v('p')));
    code.push(...i32(1232), ...SPLAT, ...set(v('q')));
  }
  for (const mix of MIXES) {
    SHIFTS.forEach((shift, line) => {
      // a = (a - b - c) ^ (c >>> n), then b from c and a, c from a and b; every second shift of three goes left.
      const [target, first, second] = [mix[line % 3]!, mix[(line + 1) % 3]!, mix[(line + 2) % 3]!];
      for (const lane of lanes) {
        const v = (name: string): number => variable(name, lane);
        code.push(...get(v(target)), ...get(v(first)), ...V_SUB, ...get(v(second)), ...V_SUB);
        code.push(...get(v(second)), ...i32(shift), ...(line % 3 === 1 ? V_SHL : V_SHR), ...V_XOR, ...set(v(target)));
      }
    });
  }
  return code;
}

/** Compares the draws of the lanes' items with the best so far. The hash becomes the offset of its logarithm. */
function compare(lanes: readonly number[]): number[] {
  const code: number[] = [];
  for (const lane of lanes) {
    const h = variable('h', lane);
    code.push(...get(h), ...i32(0xffff), ...SPLAT, ...V_AND, ...i32(3), ...V_SHL, ...set(h));
    for (let i = 0; i < 4; i++) {
      code.push(...get(h), ...extract(i), ...f64Load(0), ...set(LN));
      code.push(...get(WEIGHTS), ...f64Load(32 * lane + 8 * i), ...set(W));
      code.push(...get(LN), ...get(BEST), ...get(W), F64_MUL, F64_GT, 0x04, EMPTY_BLOCK);
      code.push(...get(LN), ...get(W), F64_DIV, F64_TRUNC, ...set(BEST));
      code.push(...get(AT), ...i32(4 * lane + i), ADD, ...set(HIGH), 0x0b);
    }
  }
  return code;
}

/** As {@link compare}, by ranks. */
function compareRanks(lanes: readonly number[]): number[] {
  const code: number[] = [];
  for (const lane of lanes) {
    const h = variable('h', lane);
    code.push(...get(h), ...i32(0xffff), ...SPLAT, ...V_AND, ...i32(1), ...V_SHL, ...set(h));
    for (let i = 0; i < 4; i++) {
      code.push(...get(h), ...extract(i), ...u16Load(RANKS_AT), ...set(RANK));
      code.push(...get(AT), ...i32(4 * lane + i), ADD, ...get(HIGH));
      code.push(...get(RANK), ...get(BEST_RANK), GT_S, SELECT, ...set(HIGH));
      code.push(...get(RANK), ...get(BEST_RANK), ...get(RANK), ...get(BEST_RANK), GT_S, SELECT, ...set(BEST_RANK));
    }
  }
  return code;
}

/** Moves the pointers on by `items`. */
function advance(items: number): number[] {
  return [
    ...[...get(AT), ...i32(items), ADD, ...set(AT)],
    ...[...get(IDS), ...i32(4 * items), ADD, ...set(IDS)],
    ...[...get(WEIGHTS), ...i32(8 * items), ADD, ...set(WEIGHTS)],
  ];
}

/** Draws for all items, eight at a time and the last four or less. */
function loop(compareLanes: (lanes: readonly number[]) => number[]): number[] {
  const both = [0, 1];
  return [
    // while (at + 4 < size)
    ...[0x02, EMPTY_BLOCK, 0x03, EMPTY_BLOCK],
    ...[...get(AT), ...i32(4), ADD, ...get(SIZE), LT_S, 0x45, 0x0d, 1],
    ...[...hash(both), ...compareLanes(both), ...advance(8)],
    ...[0x0c, 0, 0x0b, 0x0b],
    // if (at < size)
    ...[...get(AT), ...get(SIZE), LT_S, 0x04, EMPTY_BLOCK, ...hash([0]), ...compareLanes([0]), 0x0b],
  ];
}

function assemble(): Uint8Array {
  const code = [
    // best = -Infinity; bestRank = -1; seed = SEED ^ x ^ r in all lanes
    ...[0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0xff, ...set(BEST)],
    ...[...i32(-1), ...set(BEST_RANK)],
    ...[...i32(1315423911), ...get(X), XOR, ...get(R), XOR, ...SPLAT, ...set(SEED)],
    // if (weights == 0)
    ...[...get(WEIGHTS), 0x45, 0x04, EMPTY_BLOCK, ...loop(compareRanks), ...get(HIGH), RETURN, 0x0b],
    ...loop(compare),
    ...get(HIGH),
    0x0b,
  ];
  const locals = [4, 4, I32, 3, F64, 1, V128, 12, V128];
  const body = [...locals, ...code];
  const section = (id: number, content: number[]): number[] => [id, ...leb(content.length), ...content];
  const pages = (TABLE_BYTES + DATA_BYTES) / PAGE;
  const text = (s: string): number[] => [s.length, ...[...s].map((c) => c.charCodeAt(0))];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 1, I32]),
    ...section(2, [1, ...text('m'), ...text('m'), 2, 1, ...leb(pages), ...leb(pages)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('choose'), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}
