// A writer of the RADOS library that knows what its objects must hold: every operation's effect is kept beside it, and what is read is compared.
// Nobody else writes these objects, so an operation that was done twice, or not at all, shows as a difference or as an error of its guard.
import { createHash } from 'node:crypto';

const OBJECTS = 8;
const SIZE_MAX = 128 << 10;

/** Bytes that a name, a number and a length give. */
function content(name, version, length) {
  const seed = createHash('sha256').update(`${name} ${version}`).digest();
  const data = Buffer.alloc(length);
  for (let at = 0; at < length; at += seed.length) seed.copy(data, at);
  return data;
}

const text = (value) => new TextEncoder().encode(value);
const same = (a, b) => Buffer.compare(a, b) === 0;

export class VerifyingWriter {
  operations = 0;
  compared = 0;
  longest_ms = 0;
  /** Operations of each kind. */
  kinds = {};

  #api;
  #io;
  #dice;
  #stuck_ms;
  #version = 0;
  /** What must be there: data, attribute and omap of each object; undefined where there is none. */
  #model = new Map();

  constructor(api, io, prefix, dice, stuck_ms) {
    this.#api = api;
    this.#io = io;
    this.prefix = prefix;
    this.#dice = dice;
    this.#stuck_ms = stuck_ms;
    for (let i = 0; i < OBJECTS; i++) this.#model.set(`${prefix}.${i}`, undefined);
  }

  /** Writes and compares for as long as `goOn` says so. Rejects with what is wrong. */
  async run(goOn) {
    while (goOn()) {
      const oid = `${this.prefix}.${Math.floor(this.#dice() * OBJECTS)}`;
      await this.#write(oid);
      if (this.#dice() < 0.3) await this.#verify(oid);
    }
  }

  async verifyAll() {
    for (const oid of this.#model.keys()) await this.#verify(oid);
  }

  /** Names of objects that are there and are never removed. */
  permanent() {
    return [...this.#model].filter(([oid, state]) => state?.isListed && !oid.endsWith('.0')).map(([oid]) => oid);
  }

  objects() {
    return [...this.#model.values()].filter((state) => state !== undefined).length;
  }

  /** Some object, with its data. */
  sample() {
    const [oid, { data }] = [...this.#model].find(([, state]) => state !== undefined);
    return { oid, data };
  }

  async #timed(what, oid, run) {
    const begin = performance.now();
    let timer;
    const stuck = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${what} of ${oid} has no answer after ${this.#stuck_ms / 1000} s`)),
        this.#stuck_ms,
      );
    });
    try {
      return await Promise.race([run(), stuck]);
    } catch (error) {
      error.message = `${what} of ${oid}: ${error.message}`;
      throw error;
    } finally {
      clearTimeout(timer);
      this.longest_ms = Math.max(this.longest_ms, performance.now() - begin);
      this.operations++;
      this.kinds[what] = (this.kinds[what] ?? 0) + 1;
    }
  }

  async #write(oid) {
    const io = this.#io;
    const { WriteOperation } = this.#api;
    const version = ++this.#version;
    const state = this.#model.get(oid);
    const some = (max) => content(oid, version, 1 + Math.floor(this.#dice() * max));
    if (state === undefined) {
      // Done twice, it would find the object.
      const data = some(4096);
      const op = new WriteOperation()
        .create(true)
        .writeFull(data)
        .setXattr('version', text(`${version}`));
      await this.#timed('create', oid, () => io.operate(oid, op));
      this.#model.set(oid, { data, version, omap: new Map(), isListed: true });
      return;
    }
    const kind = this.#dice();
    if (kind < 0.25) {
      const data = some(kind < 0.02 ? SIZE_MAX : 8192);
      await this.#timed('writeFull', oid, () => io.writeFull(oid, data));
      state.data = data;
    } else if (kind < 0.45) {
      const data = some(4096);
      const offset = Math.floor(this.#dice() * state.data.length);
      await this.#timed('write', oid, () => io.write(oid, data, offset));
      const grown = Buffer.alloc(Math.max(state.data.length, offset + data.length));
      state.data.copy(grown);
      data.copy(grown, offset);
      state.data = grown;
    } else if (kind < 0.7) {
      if (state.data.length > SIZE_MAX) {
        await this.#timed('truncate', oid, () => io.truncate(oid, 1000));
        state.data = state.data.subarray(0, 1000);
      }
      const data = some(2048);
      await this.#timed('append', oid, () => io.append(oid, data));
      state.data = Buffer.concat([state.data, data]);
    } else if (kind < 0.85) {
      const value = some(100);
      const [set, gone] = [`k${Math.floor(this.#dice() * 50)}`, `k${Math.floor(this.#dice() * 50)}`];
      const op = new WriteOperation().omapRemoveKeys([gone]).omapSet(new Map([[set, value]]));
      await this.#timed('omap', oid, () => io.operate(oid, op));
      state.omap.delete(gone);
      state.omap.set(set, value);
    } else if (kind < 0.98 || !oid.endsWith('.0')) {
      // Done twice, the second would find another version: ECANCELED.
      const op = new WriteOperation()
        .cmpXattr('version', 'eq', text(`${state.version}`))
        .setXattr('version', text(`${version}`))
        .append(text(`<${version}>`));
      await this.#timed('guarded', oid, () => io.operate(oid, op));
      state.version = version;
      state.data = Buffer.concat([state.data, text(`<${version}>`)]);
    } else {
      await this.#timed('remove', oid, () => io.remove(oid));
      this.#model.set(oid, undefined);
    }
  }

  async #verify(oid) {
    const state = this.#model.get(oid);
    const op = new this.#api.ReadOperation();
    const data = op.read(0, 1 << 20);
    const omap = op.omapGetVals();
    const attr = op.getXattr('version');
    this.compared++;
    if (state === undefined) {
      const found = await this.#timed('stat', oid, () => this.#io.stat(oid).catch((error) => error.code));
      if (found !== 'ENOENT') throw new Error(`${oid} was removed, and yet it is there`);
      return;
    }
    await this.#timed('read', oid, () => this.#io.operateRead(oid, op));
    if (!same(data.value, state.data)) {
      const at = state.data.findIndex((byte, i) => byte !== data.value[i]);
      throw new Error(
        `${oid} has ${data.value.length} bytes and not what was written: ${state.data.length}, the first that differs at ${at}`,
      );
    }
    const entries = omap.value.values;
    if (entries.size !== state.omap.size || [...state.omap].some(([k, v]) => !same(entries.get(k) ?? [], v))) {
      throw new Error(`${oid} has another omap than was written: ${entries.size} keys, not ${state.omap.size}`);
    }
    const version = new TextDecoder().decode(attr.value);
    if (version !== String(state.version)) throw new Error(`${oid} has version ${version}, not ${state.version}`);
  }
}
