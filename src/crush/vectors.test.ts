import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../base/index.ts';
import { encodeText } from '../encoding/index.ts';
import {
  type CrushMap,
  compileCrushMap,
  type DumpSink,
  decodeCrushMap,
  decompileCrushMap,
  dumpCrushMap,
  encodeCrushMap,
  Mapper,
  treeTable,
} from './index.ts';
import { corpusLines, fromBase64 } from './testing/corpus.ts';

interface RandomVector {
  readonly seed: number;
  readonly map: string;
  readonly text: string;
  readonly reps: number;
  readonly weights: readonly (readonly [osd: number, weight: number])[];
  readonly digests: Readonly<Record<string, readonly number[]>>;
}

const CHUNK = 250;

const vectors = corpusLines<RandomVector>('random.jsonl.gz').map((vector) => {
  const bytes = fromBase64(vector.map);
  return { vector, bytes, map: decodeCrushMap(bytes) };
});

test('maps encode to the bytes they came from', () => {
  assert.ok(vectors.length >= 200);
  for (const { vector, bytes, map } of vectors) assert.deepEqual(encodeCrushMap(map), bytes, `seed ${vector.seed}`);
});

test('maps decompile to the text that crushtool gives', () => {
  for (const { vector, map } of vectors) assert.equal(decompileCrushMap(map), vector.text, `seed ${vector.seed}`);
});

test('a text compiles to a map that decompiles to it', () => {
  vectors.forEach(({ vector }, i) => {
    if (i % 3 === 0) assert.equal(decompileCrushMap(compileCrushMap(vector.text)), vector.text, `seed ${vector.seed}`);
  });
});

function deviceWeights(map: CrushMap, vector: RandomVector): number[] {
  const weights = new Array<number>(map.maxDevices).fill(0);
  for (const bucket of map.buckets) for (const item of bucket?.items ?? []) if (item >= 0) weights[item] = 0x10000;
  for (const [osd, weight] of vector.weights) if (osd < weights.length) weights[osd] = weight;
  return weights;
}

/** Some of the maps, and a quarter of the inputs of each, so that this stays quick; `test/crush.test.mjs` does them all. */
for (const plain of [true, false]) {
  test(`mappings are those of crushtool (${plain ? 'plain' : 'kernel'})`, () => {
    vectors.forEach(({ vector, map }, i) => {
      if (i % 6 !== (plain ? 1 : 0)) return;
      const mapper = new Mapper(map, plain ? 'plain' : 'kernel');
      const weights = deviceWeights(map, vector);
      for (const [rule, digests] of Object.entries(vector.digests)) {
        const chunk = (i + Number(rule)) % digests.length;
        const results: string[] = [];
        for (let x = chunk * CHUNK; x < (chunk + 1) * CHUNK; x++) {
          results.push(`[${mapper.doRule(Number(rule), x, vector.reps, weights, 0).join(',')}]`);
        }
        const digest = crc32c(0, encodeText(results.join('\n')));
        assert.equal(digest, digests[chunk], `seed ${vector.seed} rule ${rule} inputs from ${chunk * CHUNK}`);
      }
    });
  });
}

/** A dump as the value that its JSON stands for. */
class ValueSink implements DumpSink {
  readonly root: Record<string, unknown> = {};
  readonly #stack: (Record<string, unknown> | unknown[])[] = [this.root];

  #add(name: string, value: unknown): void {
    const top = this.#stack.at(-1)!;
    if (Array.isArray(top)) top.push(value);
    else top[name] = value;
  }

  openObject(name: string): void {
    const section = {};
    this.#add(name, section);
    this.#stack.push(section);
  }

  openArray(name: string): void {
    const section: unknown[] = [];
    this.#add(name, section);
    this.#stack.push(section);
  }

  close(): void {
    this.#stack.pop();
  }

  int(name: string, value: number): void {
    this.#add(name, value);
  }

  float(name: string, value: number): void {
    this.#add(name, value);
  }

  string(name: string, value: string): void {
    this.#add(name, value);
  }
}

test('dumps and trees are those of crushtool', () => {
  for (const { seed, dump, tree } of corpusLines<{ seed: number; dump: string; tree: string }>('dump.jsonl.gz')) {
    const { map } = vectors.find(({ vector }) => vector.seed === seed)!;
    const sink = new ValueSink();
    dumpCrushMap(map, sink);
    assert.deepEqual(sink.root, JSON.parse(dump), `seed ${seed}`);
    const { headings, rows } = treeTable(map, new Map(), { showShadow: true });
    const squeezed = (text: string): string => text.replace(/ +/g, ' ').trim();
    const ours = [headings, ...rows].map((row) => squeezed(row.join(' ')));
    assert.deepEqual(ours, tree.trimEnd().split('\n').map(squeezed), `seed ${seed}`);
  }
});
