// What is tested: keeps thumbnails as objects, and their sizes as omap keys of an index object.
export class Thumbnails {
  #pool;

  constructor(pool) {
    this.#pool = pool;
  }

  async add(name, bytes) {
    await this.#pool.writeFull(`thumb.${name}`, bytes);
    await this.#pool.omapSet('index', new Map([[name, Buffer.from(String(bytes.length))]]));
  }

  async sizes() {
    const entries = await this.#pool.omapGetAll('index');
    return Object.fromEntries([...entries].map(([name, size]) => [name, Number(Buffer.from(size).toString())]));
  }
}
