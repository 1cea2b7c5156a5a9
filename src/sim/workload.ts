import { entropyBelow, type SeededEntropy } from '../base/index.ts';
import type { IoCtx } from '../client/index.ts';

interface Model {
  data: Uint8Array;
  xattrs: Map<string, string>;
  omap: Map<string, string>;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);

/**
 * Mixed operations on a set of objects, with a model of what each must be. Operations on one object follow one another; those on different objects are in
 * flight together.
 */
export class SimWorkload {
  readonly #io: IoCtx;
  readonly #entropy: SeededEntropy;
  readonly #models = new Map<string, Model>();
  readonly #names: string[];
  operations = 0;

  constructor(io: IoCtx, entropy: SeededEntropy, objects = 40) {
    this.#io = io;
    this.#entropy = entropy;
    this.#names = Array.from({ length: objects }, (_, i) => `object-${i}`);
  }

  /** Runs `count` operations, `inFlight` at a time. */
  async run(count: number, inFlight = 8): Promise<void> {
    let left = count;
    const busy = new Set<string>();
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left--;
        let name: string;
        do {
          name = this.#names[entropyBelow(this.#entropy, this.#names.length)]!;
        } while (busy.has(name));
        busy.add(name);
        await this.#one(name);
        busy.delete(name);
        this.operations++;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  }

  async #one(name: string): Promise<void> {
    const io = this.#io;
    const below = (n: number): number => entropyBelow(this.#entropy, n);
    const model = this.#models.get(name);
    /** Now and then so long that it takes the ways of long data: past the log, in memory that is used again, read off the main thread. */
    const size = (usual: number): number => (below(12) === 0 ? 100_000 + below(600_000) : 1 + below(usual));
    const kind = below(10);
    if (model === undefined || kind === 0) {
      const data = this.#entropy.bytes(size(20_000));
      await io.writeFull(name, data);
      this.#models.set(name, { data, xattrs: model?.xattrs ?? new Map(), omap: model?.omap ?? new Map() });
      return;
    }
    switch (kind) {
      case 1: {
        const data = this.#entropy.bytes(size(5000));
        const offset = below(model.data.length + 100);
        await io.write(name, data, offset);
        const grown = new Uint8Array(Math.max(model.data.length, offset + data.length));
        grown.set(model.data);
        grown.set(data, offset);
        model.data = grown;
        break;
      }
      case 2: {
        const data = this.#entropy.bytes(size(3000));
        await io.append(name, data);
        const grown = new Uint8Array(model.data.length + data.length);
        grown.set(model.data);
        grown.set(data, model.data.length);
        model.data = grown;
        break;
      }
      case 3: {
        const size = below(model.data.length + 1000);
        await io.truncate(name, size);
        const cut = new Uint8Array(size);
        cut.set(model.data.subarray(0, size));
        model.data = cut;
        break;
      }
      case 4:
        await io.remove(name);
        this.#models.delete(name);
        break;
      case 5: {
        const key = `attr${below(4)}`;
        const value = `value ${below(1000)}`;
        await io.setXattr(name, key, bytes(value));
        model.xattrs.set(key, value);
        break;
      }
      case 6: {
        const entries = new Map<string, string>();
        for (let i = below(6); i >= 0; i--) entries.set(`key${below(30)}`, `value ${below(1000)}`);
        await io.omapSet(name, new Map([...entries].map(([k, v]) => [k, bytes(v)])));
        for (const [k, v] of entries) model.omap.set(k, v);
        break;
      }
      case 7: {
        const keys = [...model.omap.keys()].slice(0, 1 + below(3));
        if (keys.length > 0) await io.omapRemoveKeys(name, keys);
        for (const key of keys) model.omap.delete(key);
        break;
      }
      default:
        await this.#compare(name, model);
    }
  }

  /** Throws with what is wrong where an object is not as the model has it. */
  async #compare(name: string, model: Model): Promise<void> {
    const data = await this.#io.read(name);
    if (data.length !== model.data.length || data.some((b, i) => b !== model.data[i])) {
      const at = data.findIndex((b, i) => b !== model.data[i]);
      throw new Error(`${name}: ${data.length} bytes, expected ${model.data.length}; first difference at ${at}`);
    }
    const xattrs = await this.#io.getXattrs(name);
    const omap = await this.#io.omapGetAll(name);
    const flat = (m: Iterable<readonly [string, unknown]>): string =>
      JSON.stringify([...m].sort((a, b) => (a[0] < b[0] ? -1 : 1)));
    const shown = (m: ReadonlyMap<string, Uint8Array>): string => flat([...m].map(([k, v]) => [k, text(v)] as const));
    if (shown(xattrs) !== flat(model.xattrs))
      throw new Error(`${name}: xattrs ${shown(xattrs)}, expected ${flat(model.xattrs)}`);
    if (shown(omap) !== flat(model.omap)) throw new Error(`${name}: omap ${shown(omap)}, expected ${flat(model.omap)}`);
  }

  /** Compares every object and the listing. */
  async verify(): Promise<number> {
    for (const [name, model] of this.#models) await this.#compare(name, model);
    const listed: string[] = [];
    for await (const object of this.#io.listObjects()) listed.push(object.oid);
    const expected = [...this.#models.keys()].sort();
    if (JSON.stringify(listed.sort()) !== JSON.stringify(expected))
      throw new Error(`the pool lists ${listed.length} objects, expected ${expected.length}`);
    return expected.length;
  }
}
