import { invariant } from '../../base/index.ts';
import type { Reader, Writer } from '../../encoding/index.ts';
import { compareEversion, type Eversion, eversionZero, type Hobject, hobject } from '../../types/index.ts';
import { isZeroEversion, objectKey } from '../model.ts';
import { readEversion, writeEversion } from '../ops/object-info.ts';
import type { LogEntry } from './log-entry.ts';

/** An object that a replica's log says it should hold, and does not. */
export interface MissingItem {
  readonly oid: Hobject;
  readonly key: string;
  /** Version it should hold. */
  readonly need: Eversion;
  /** Version it does hold; 0'0 for none. */
  readonly have: Eversion;
}

/** pg_missing_t: objects of one replica that recovery has to bring. */
export class MissingSet {
  readonly #items = new Map<string, MissingItem>();
  /** By need, ascending; holds removed ones until they reach the front. */
  #order: MissingItem[] = [];
  #orderStart = 0;
  #sorted = true;
  /** Keys that changed since the last call of {@link takeChanged}; undefined where nobody asks. */
  #changed: Map<string, Hobject> | undefined;

  /** `tracked` remembers changes, for the set that is persisted. */
  constructor(tracked = false) {
    this.#changed = tracked ? new Map() : undefined;
  }

  get size(): number {
    return this.#items.size;
  }

  get empty(): boolean {
    return this.#items.size === 0;
  }

  items(): IterableIterator<MissingItem> {
    return this.#items.values();
  }

  get(key: string): MissingItem | undefined {
    return this.#items.get(key);
  }

  has(key: string): boolean {
    return this.#items.has(key);
  }

  /** Missing in this version (or an older one is wanted). */
  isMissingAt(key: string, version: Eversion): boolean {
    const item = this.#items.get(key);
    return item !== undefined && compareEversion(item.need, version) <= 0;
  }

  set(oid: Hobject, key: string, need: Eversion, have: Eversion): void {
    const item: MissingItem = { oid, key, need, have };
    this.#items.set(key, item);
    const last = this.#order[this.#order.length - 1];
    if (last !== undefined && compareEversion(last.need, need) > 0) this.#sorted = false;
    this.#order.push(item);
    this.#changed?.set(key, oid);
  }

  remove(key: string): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(key);
    this.#changed?.set(key, item.oid);
    if (this.#items.size === 0) {
      this.#order = [];
      this.#orderStart = 0;
      this.#sorted = true;
    }
  }

  clear(): void {
    for (const key of [...this.#items.keys()]) this.remove(key);
  }

  /** A log entry that the replica has not applied to its store: what it now lacks. */
  addNextEvent(e: LogEntry): void {
    const held = this.#items.get(e.key);
    if (e.isDelete) {
      this.remove(e.key);
      return;
    }
    if (isZeroEversion(e.priorVersion) || e.isClone) this.set(e.oid, e.key, e.version, eversionZero);
    else this.set(e.oid, e.key, e.version, held === undefined ? e.priorVersion : held.have);
  }

  /** The object arrived in (at least) this version. */
  got(key: string, version: Eversion): void {
    const item = this.#items.get(key);
    if (item !== undefined && compareEversion(item.need, version) <= 0) this.remove(key);
  }

  /** Wants another version of an object that is missing. */
  reviseNeed(key: string, need: Eversion): void {
    const item = this.#items.get(key);
    invariant(item !== undefined, 'revised an object that is not missing', { key });
    this.set(item.oid, key, need, item.have);
  }

  reviseHave(key: string, have: Eversion): void {
    const item = this.#items.get(key);
    if (item !== undefined) this.set(item.oid, key, item.need, have);
  }

  /** The missing object with the oldest need. */
  first(): MissingItem | undefined {
    if (this.#items.size === 0) return undefined;
    if (!this.#sorted) {
      this.#order = [...this.#items.values()].sort((a, b) => compareEversion(a.need, b.need));
      this.#orderStart = 0;
      this.#sorted = true;
    }
    while (this.#orderStart < this.#order.length) {
      const item = this.#order[this.#orderStart]!;
      if (this.#items.get(item.key) === item) return item;
      this.#orderStart++;
    }
    return undefined;
  }

  /** All, oldest need first. */
  inOrder(): MissingItem[] {
    return [...this.#items.values()].sort((a, b) => compareEversion(a.need, b.need));
  }

  copy(): MissingSet {
    const c = new MissingSet();
    for (const i of this.#items.values()) c.set(i.oid, i.key, i.need, i.have);
    return c;
  }

  /** What changed since the last call: objects, and whether they are missing now. */
  takeChanged(): { oid: Hobject; key: string; item: MissingItem | undefined }[] {
    const changed = this.#changed;
    if (changed === undefined || changed.size === 0) return [];
    const out = [...changed].map(([key, oid]) => ({ oid, key, item: this.#items.get(key) }));
    this.#changed = new Map();
    return out;
  }
}

/** pg_missing_item in the form since Octopus, with the whole object dirty. */
export function writeMissingItem(w: Writer, item: MissingItem): void {
  writeEversion(w, eversionZero);
  w.u64(0xffffffffffffffffn);
  w.u32(0xffffffff);
  writeEversion(w, item.need);
  writeEversion(w, item.have);
  w.u8(0);
  const token = w.structStart(1, 1);
  w.u32(0);
  w.bool(false);
  w.bool(true);
  w.structEnd(token);
}

/** Reads an item: need, have and whether it is a deletion still to be done. */
export function readMissingItem(r: Reader): { need: Eversion; have: Eversion; isDelete: boolean } {
  readEversion(r);
  const mark = readEversion(r);
  if (mark.epoch !== 0xffffffff) {
    const have = readEversion(r);
    return { need: mark, have, isDelete: (r.u8() & 1) !== 0 };
  }
  const need = readEversion(r);
  const have = readEversion(r);
  const isDelete = (r.u8() & 1) !== 0;
  r.structEnd(r.structStart(1));
  return { need, have, isDelete };
}

/** pg_missing_t version 5: map of object to item, and that deletions are not among them. */
export function writeMissingSet(w: Writer, set: MissingSet): void {
  const token = w.structStart(5, 2);
  w.u32(set.size);
  for (const item of set.items()) {
    hobject.encode(w, item.oid);
    writeMissingItem(w, item);
  }
  w.bool(false);
  w.structEnd(token);
}

export function readMissingSet(r: Reader): MissingSet {
  const frame = r.structStart(5);
  const set = new MissingSet();
  for (let n = r.count(43); n > 0; n--) {
    const oid = hobject.decode(r);
    const { need, have, isDelete } = readMissingItem(r);
    if (!isDelete) set.set(oid, objectKey(oid), need, have);
  }
  r.structEnd(frame);
  return set;
}
