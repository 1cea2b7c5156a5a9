/** One subscription: `flags` is a mask of SUBSCRIBE_*. */
export interface SubItem {
  readonly start: number;
  readonly flags: number;
}

const ONETIME = 1;

/**
 * What this process subscribes to at the monitors: what was sent in this session, and what is new. Pure.
 */
export class MonSub {
  #sent = new Map<string, SubItem>();
  #fresh = new Map<string, SubItem>();

  get hasNew(): boolean {
    return this.#fresh.size > 0;
  }

  /** What is to be sent. */
  get fresh(): ReadonlyMap<string, SubItem> {
    return this.#fresh;
  }

  /** It was sent. */
  renewed(): void {
    for (const [what, item] of this.#fresh) this.#sent.set(what, item);
    this.#fresh = new Map();
  }

  /** A new session: everything is to be sent again. */
  reload(): boolean {
    for (const [what, item] of this.#sent) if (!this.#fresh.has(what)) this.#fresh.set(what, item);
    return this.hasNew;
  }

  got(what: string, have: number): void {
    const map = this.#fresh.has(what) ? this.#fresh : this.#sent;
    const item = map.get(what);
    if (item === undefined || item.start > have) return;
    if ((item.flags & ONETIME) !== 0) map.delete(what);
    else map.set(what, { ...item, start: have + 1 });
  }

  want(what: string, start: number, flags: number): boolean {
    for (const map of [this.#fresh, this.#sent]) {
      const item = map.get(what);
      if (item !== undefined && item.start === start && item.flags === flags) return false;
    }
    this.#fresh.set(what, { start, flags });
    return true;
  }

  /** As {@link want}, where it asks for a later start. */
  wantIncrement(what: string, start: number, flags: number): boolean {
    const item = this.#fresh.get(what) ?? this.#sent.get(what);
    if (item !== undefined && item.start >= start) return false;
    this.#fresh.set(what, { start, flags });
    return true;
  }

  unwant(what: string): void {
    this.#sent.delete(what);
    this.#fresh.delete(what);
  }
}
