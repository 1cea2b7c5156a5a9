import { type Codec, list, type Reader, s32, sortedMap, string, type Writer } from '../../encoding/index.ts';
import { compareEntityAddr, type EntityAddr, type EntityAddrVec, entityAddr, entityAddrVec } from '../entity-addr.ts';
import { feature, hasFeature } from '../features.ts';
import { compareText, textMap } from '../text-map.ts';
import { type Utime, utime } from '../utime.ts';

/** Addresses of one daemon; to those before Nautilus its v1 address alone. Read in either form. */
export const addrs: Codec<EntityAddrVec> = {
  name: 'entity_addrvec_t',
  length_min: 5,
  encode(w: Writer, vec) {
    if (hasFeature(w.features, feature.SERVER_NAUTILUS)) entityAddrVec.encode(w, vec);
    else entityAddr.encode(w, vec.legacy);
  },
  decode: (r) => entityAddrVec.decode(r),
};

/** Addresses by OSD id, where a hole is a blank address. */
export const addrsList: Codec<readonly EntityAddrVec[]> = list(addrs);

/** Erasure code profiles: name to options. */
export type ErasureProfiles = ReadonlyMap<string, ReadonlyMap<string, string>>;

export const erasureProfiles: Codec<ErasureProfiles> = sortedMap(string, textMap, compareText);

/** An address that may not speak to the cluster, until a time. */
export interface BlocklistEntry {
  readonly addr: EntityAddr;
  readonly until: Utime;
}

/**
 * Blocklist by the text of the address ({@link EntityAddr.toString}), which tells apart what counts. Written in the order of the
 * addresses' bytes.
 */
export type Blocklist = ReadonlyMap<string, BlocklistEntry>;

export const blocklist: Codec<Blocklist> = {
  name: 'map<entity_addr_t, utime_t>',
  length_min: 4,
  encode(w, entries) {
    w.u32(entries.size);
    for (const { addr, until } of sortedBlocklist(entries)) {
      entityAddr.encode(w, addr);
      utime.encode(w, until);
    }
  },
  decode(r: Reader) {
    const n = r.count(entityAddr.length_min + 8);
    const entries = new Map<string, BlocklistEntry>();
    for (let i = 0; i < n; i++) {
      const addr = entityAddr.decode(r);
      entries.set(addr.toString(), { addr, until: utime.decode(r) });
    }
    return entries;
  },
};

/** In the order of std::less<entity_addr_t>. */
export function sortedBlocklist(entries: Blocklist): BlocklistEntry[] {
  return [...entries.values()].sort((a, b) => compareEntityAddr(a.addr, b.addr));
}

/** An upmap item: replaces `from` by `to` in a PG's set. */
export type UpmapItem = readonly [from: number, to: number];

export const upmapItem: Codec<UpmapItem> = {
  name: 'pair<s32, s32>',
  length_min: 8,
  encode(w, [from, to]) {
    w.s32(from);
    w.s32(to);
  },
  decode: (r) => [r.s32(), r.s32()],
};

export const osdList: Codec<readonly number[]> = list(s32);
