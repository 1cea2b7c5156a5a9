/** Bytes that do not decode: names the struct and field being read and the offset, so that a capture can be compared. */
export class DecodeError extends Error {
  /** Outermost first, e.g. `OSDMap.pools.pg_pool_t.size`. */
  path: string;
  /** Offset in bytes from the start of the buffer handed to the outermost reader. */
  readonly offset: number;
  readonly reason: string;

  constructor(reason: string, offset: number, path = '') {
    super(reason);
    this.name = 'DecodeError';
    this.reason = reason;
    this.offset = offset;
    this.path = path;
    this.#describe();
  }

  /** Adds an enclosing struct or field to the front of the path. */
  within(name: string): this {
    this.path = this.path === '' ? name : `${name}.${this.path}`;
    this.#describe();
    return this;
  }

  #describe(): void {
    const where = this.path === '' ? '' : `${this.path}: `;
    this.message = `${where}${this.reason} (at byte ${this.offset})`;
  }
}
