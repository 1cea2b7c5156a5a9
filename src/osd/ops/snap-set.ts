import { Reader, Writer } from '../../encoding/index.ts';
import { Ranges } from './ranges.ts';

/** One clone of an object: the state that snapshots (previous clone's id, this id] see. */
export interface Clone {
  /** Snapshot id the clone was made under; also its name. */
  readonly id: number;
  /** Snapshots that it serves, newest first. */
  readonly snaps: readonly number[];
  readonly size: number;
  /** Bytes that the clone still shares with the next newer one (or the head). */
  readonly overlap: Ranges;
}

/** SnapSet: the clones of an object, oldest first; kept with the head in xattr "snapset". Replaced, never changed in place. */
export interface SnapSet {
  /** Newest snapshot the object has seen. */
  readonly seq: number;
  readonly clones: readonly Clone[];
}

export const snapSetEmpty: SnapSet = Object.freeze({ seq: 0, clones: [] });

/** SnapSet version 3. Ceph of this age writes an empty `snaps`. */
export function writeSnapSet(w: Writer, ss: SnapSet): void {
  const token = w.structStart(3, 2);
  w.u64num(ss.seq);
  w.bool(true);
  w.u32(0);
  w.u32(ss.clones.length);
  for (const c of ss.clones) w.u64num(c.id);
  w.u32(ss.clones.length);
  for (const c of ss.clones) {
    w.u64num(c.id);
    c.overlap.encode(w);
  }
  w.u32(ss.clones.length);
  for (const c of ss.clones) {
    w.u64num(c.id);
    w.u64num(c.size);
  }
  w.u32(ss.clones.length);
  for (const c of ss.clones) {
    w.u64num(c.id);
    w.u32(c.snaps.length);
    for (const s of c.snaps) w.u64num(s);
  }
  w.structEnd(token);
}

/** The bytes of the empty set, which nearly every object has. */
const EMPTY_BYTES: Uint8Array = (() => {
  const w = new Writer(64);
  writeSnapSet(w, snapSetEmpty);
  return w.bytes().slice();
})();

export function snapSetBytes(ss: SnapSet): Uint8Array {
  if (ss.seq === 0 && ss.clones.length === 0) return EMPTY_BYTES;
  const w = new Writer(128);
  writeSnapSet(w, ss);
  return w.bytes();
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function readSnapSet(bytes: Uint8Array): SnapSet {
  if (sameBytes(bytes, EMPTY_BYTES)) return snapSetEmpty;
  const r = new Reader(bytes);
  const frame = r.structStart(3);
  const seq = r.u64num();
  r.bool();
  r.skip(8 * r.count(8));
  const ids: number[] = [];
  for (let n = r.count(8); n > 0; n--) ids.push(r.u64num());
  const overlaps = new Map<number, Ranges>();
  for (let n = r.count(12); n > 0; n--) {
    const id = r.u64num();
    overlaps.set(id, Ranges.decode(r));
  }
  const sizes = new Map<number, number>();
  for (let n = r.count(16); n > 0; n--) {
    const id = r.u64num();
    sizes.set(id, r.u64num());
  }
  const snaps = new Map<number, number[]>();
  if (frame.version >= 3) {
    for (let n = r.count(12); n > 0; n--) {
      const id = r.u64num();
      const list: number[] = [];
      for (let k = r.count(8); k > 0; k--) list.push(r.u64num());
      snaps.set(id, list);
    }
  }
  r.structEnd(frame);
  return {
    seq,
    clones: ids.map((id) => ({
      id,
      snaps: snaps.get(id) ?? [],
      size: sizes.get(id) ?? 0,
      overlap: overlaps.get(id) ?? new Ranges(),
    })),
  };
}

/** Snapshots as a log entry has them: u32 count, then u64 each. */
export function encodeSnaps(snaps: readonly number[]): Uint8Array {
  const w = new Writer(4 + 8 * snaps.length);
  w.u32(snaps.length);
  for (const s of snaps) w.u64num(s);
  return w.bytes();
}

/** Bytes a clone holds alone: its size less what it shares with its newer neighbour. */
export function cloneBytes(c: Clone): number {
  return c.size - c.overlap.size;
}
