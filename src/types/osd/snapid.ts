import type { Codec } from '../../encoding/index.ts';

/**
 * snapid_t as a double. Ids of real snapshots are small; the two marks at the top of the 64 bits (-2 and -1) become the two largest
 * doubles of their neighbourhood, so that `<` and `>` order snapids as Ceph does. Always use the {@link snapid} codec (or
 * {@link snapidFromBigint}) for a value that may be a mark: `u64num` would round both to 2^64.
 */
export type Snapid = number;

/** The head of an object (2^64 - 2 on the wire). */
export const CEPH_NOSNAP: Snapid = 0xfffffffffffff800;
/** The snapdir of an object, and "every snapshot" in listings (2^64 - 1 on the wire). */
export const CEPH_SNAPDIR: Snapid = 2 ** 64;
/** Largest id that a snapshot may have. */
export const CEPH_MAXSNAP: Snapid = 0xfffffffffffff000;

const TWO_32 = 0x1_0000_0000;

export const snapid: Codec<Snapid> = {
  name: 'snapid_t',
  length_min: 8,
  encode(w, s) {
    if (s < CEPH_NOSNAP) {
      w.u64num(s);
      return;
    }
    w.u32(s === CEPH_NOSNAP ? 0xfffffffe : 0xffffffff);
    w.u32(0xffffffff);
  },
  decode(r) {
    const low = r.u32();
    const high = r.u32();
    return snapidFromHalves(low, high);
  },
};

/** From the two halves of the 64 bits. */
export function snapidFromHalves(low: number, high: number): Snapid {
  if (high === 0xffffffff) {
    if (low === 0xfffffffe) return CEPH_NOSNAP;
    if (low === 0xffffffff) return CEPH_SNAPDIR;
    return CEPH_MAXSNAP;
  }
  return high * TWO_32 + low;
}

export function snapidFromBigint(s: bigint): Snapid {
  const u = BigInt.asUintN(64, s);
  return snapidFromHalves(Number(u & 0xffffffffn), Number(u >> 32n));
}

export function snapidToBigint(s: Snapid): bigint {
  if (s < CEPH_NOSNAP) return BigInt(s);
  return s === CEPH_NOSNAP ? 0xfffffffffffffffen : 0xffffffffffffffffn;
}

/** As Ceph prints it: `head`, `snapdir`, or hexadecimal. */
export function formatSnapid(s: Snapid): string {
  return s === CEPH_NOSNAP ? 'head' : s === CEPH_SNAPDIR ? 'snapdir' : s.toString(16);
}

/** As a signed number, the way JSON dumps show it: -2 for the head. */
export function snapidToSigned(s: Snapid): number {
  return s === CEPH_NOSNAP ? -2 : s === CEPH_SNAPDIR ? -1 : s;
}

/** SnapContext of a write: the newest snapshot and those that exist, newest first. */
export interface SnapContext {
  readonly seq: Snapid;
  readonly snaps: readonly Snapid[];
}

export const snapContextEmpty: SnapContext = Object.freeze({ seq: 0, snaps: [] });

export const snapContext: Codec<SnapContext> = {
  name: 'SnapContext',
  length_min: 12,
  encode(w, s) {
    snapid.encode(w, s.seq);
    w.u32(s.snaps.length);
    for (const id of s.snaps) snapid.encode(w, id);
  },
  decode(r) {
    const seq = snapid.decode(r);
    const n = r.count(8);
    if (n === 0) return seq === 0 ? snapContextEmpty : { seq, snaps: [] };
    const snaps: Snapid[] = [];
    for (let i = 0; i < n; i++) snaps.push(snapid.decode(r));
    return { seq, snaps };
  },
};

/** Whether ids descend strictly and none is newer than `seq`. */
export function snapContextIsValid(s: SnapContext): boolean {
  let previous = s.seq;
  for (let i = 0; i < s.snaps.length; i++) {
    const id = s.snaps[i]!;
    if (id > previous || (i > 0 && id === previous)) return false;
    previous = id;
  }
  return s.seq <= CEPH_MAXSNAP;
}
