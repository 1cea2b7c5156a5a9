import type { Connection } from '../msgr/index.ts';
import { compareHobject, formatSpgId, type Hobject, type SpgId, sameHobject } from '../types/index.ts';
import type { LingerOp } from './linger-op.ts';
import type { Op } from './op.ts';
import type { OsdCommand } from './osd-command.ts';

/** A range of a PG that an OSD wants no requests for. */
interface Backoff {
  readonly id: number;
  readonly begin: Hobject;
  readonly end: Hobject;
}

/** Backoffs that one OSD may hold against us; more end the session. */
export const BACKOFFS_MAX = 65536;

/** What is under way with one OSD. The session of osd -1 holds what nobody can serve. */
export class OsdSession {
  readonly osd: number;
  connection: Connection | undefined;
  readonly ops = new Map<number, Op>();
  readonly lingers = new Map<bigint, LingerOp>();
  readonly commands = new Map<number, OsdCommand>();
  readonly #backoffs = new Map<string, Backoff[]>();
  #backoffCount = 0;

  constructor(osd: number) {
    this.osd = osd;
  }

  get isHomeless(): boolean {
    return this.osd < 0;
  }

  get isIdle(): boolean {
    return this.ops.size === 0 && this.lingers.size === 0 && this.commands.size === 0;
  }

  get backoffCount(): number {
    return this.#backoffCount;
  }

  block(pg: SpgId, id: number, begin: Hobject, end: Hobject): void {
    const key = formatSpgId(pg);
    const list = this.#backoffs.get(key);
    if (list === undefined) this.#backoffs.set(key, [{ id, begin, end }]);
    else list.push({ id, begin, end });
    this.#backoffCount++;
  }

  /** False where no such backoff is known. */
  unblock(pg: SpgId, id: number, begin: Hobject): boolean {
    const key = formatSpgId(pg);
    const list = this.#backoffs.get(key);
    const at = list?.findIndex((b) => b.id === id && sameHobject(b.begin, begin)) ?? -1;
    if (list === undefined || at < 0) return false;
    list.splice(at, 1);
    if (list.length === 0) this.#backoffs.delete(key);
    this.#backoffCount--;
    return true;
  }

  isBlocked(pg: SpgId, object: Hobject): boolean {
    if (this.#backoffCount === 0) return false;
    for (const { begin, end } of this.#backoffs.get(formatSpgId(pg)) ?? []) {
      if (
        sameHobject(begin, end)
          ? sameHobject(object, begin)
          : compareHobject(object, begin) >= 0 && compareHobject(object, end) < 0
      ) {
        return true;
      }
    }
    return false;
  }

  /** A new connection knows of no backoffs. */
  clearBackoffs(): void {
    this.#backoffs.clear();
    this.#backoffCount = 0;
  }
}
