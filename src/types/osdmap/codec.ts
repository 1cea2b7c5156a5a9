import { crc32c } from '../../base/index.ts';
import { DecodeError, Reader, Writer } from '../../encoding/index.ts';
import { feature, hasFeature } from '../features.ts';
import { release, releaseFromName } from '../release.ts';
import type { OSDMapFields } from './data.ts';
import { OSDMAP_LEGACY_REQUIRE_FLAGS, osdMapFlag } from './flags.ts';
import { OSDMapIncremental } from './incremental.ts';
import {
  fullClientWire,
  fullClientWireReef,
  fullOsdWire,
  fullOsdWriter,
  incClientWire,
  incClientWireReef,
  incOsdWire,
  incOsdWriter,
  WRAPPER_COMPAT,
  WRAPPER_VERSION,
} from './wire.ts';

/** Features that change how a map is written: the rest of a receiver's features do not matter. */
export const OSDMAP_SIGNIFICANT_FEATURES =
  feature.PGID64 |
  feature.PGPOOL3 |
  feature.OSDENC |
  feature.OSDMAP_ENC |
  feature.OSD_POOLRESEND |
  feature.NEW_OSDOP_ENCODING |
  feature.MSG_ADDR2 |
  feature.CRUSH_TUNABLES5 |
  feature.CRUSH_CHOOSE_ARGS |
  feature.SERVER_LUMINOUS |
  feature.SERVER_MIMIC |
  feature.SERVER_NAUTILUS |
  feature.SERVER_OCTOPUS;

/** What a receiver must have for a map to be written for it. */
export const OSDMAP_ENCODE_FEATURES_MIN =
  feature.OSDMAP_ENC | feature.OSD_POOLRESEND | feature.NEW_OSDOP_ENCODING | feature.SERVER_LUMINOUS;

/** Features to write the canonical map with, given the release that all OSDs have (OSDMap::get_encoding_features). */
export function osdMapEncodingFeatures(requireOsdRelease: number): bigint {
  let f = OSDMAP_SIGNIFICANT_FEATURES;
  // The single bits, not the masks: bits that mark incarnations serve others too.
  if (requireOsdRelease >= release.REEF) f |= feature.SERVER_REEF;
  if (requireOsdRelease < release.OCTOPUS) f &= ~(1n << 16n);
  if (requireOsdRelease < release.NAUTILUS) f &= ~(1n << 2n);
  if (requireOsdRelease < release.MIMIC) f &= ~(1n << 28n);
  if (requireOsdRelease < release.LUMINOUS) f &= ~(1n << 21n);
  return f;
}

export interface EncodedMap {
  readonly bytes: Uint8Array;
  /** crc32c over the encoding, as it stands in it. */
  readonly crc: number;
}

/** crc32c of all of the wrapper but the crc itself, which is at `at`. */
function crcAround(bytes: Uint8Array, start: number, at: number, end: number): number {
  return crc32c(crc32c(0xffffffff, bytes.subarray(start, at)), bytes.subarray(at + 4, end));
}

function requireEncodable(features: bigint): void {
  if (!hasFeature(features, OSDMAP_ENCODE_FEATURES_MIN)) {
    throw new RangeError('an OSDMap is not written for receivers before Luminous');
  }
}

/** Writes the map for a receiver with `features`. Throws RangeError where that is older than Luminous. */
export function encodeFields(map: OSDMapFields, features: bigint, crushBytes = map.crushBytes): EncodedMap {
  requireEncodable(features);
  const w = new Writer(64 * 1024, features);
  const token = w.structStart(WRAPPER_VERSION, WRAPPER_COMPAT);
  const wire =
    map.pgUpmapPrimaries.size > 0 && hasFeature(features, feature.SERVER_REEF) ? fullClientWireReef : fullClientWire;
  wire.encode(w, { ...map, crushBytes, osdStateOld: [] } as never);
  fullOsdWriter(map.stretchModeEnabled, map.rangeBlocklist.size > 0).encode(w, {
    ...map,
    minCompatClientName: '',
  } as never);
  const at = w.length;
  w.u32(0);
  w.structEnd(token);
  const crc = crcAround(w.bytes(), 0, at, w.length);
  w.patchU32(at, crc);
  return { bytes: w.bytes(), crc };
}

/** Writes the incremental and notes its crc in it. Its fullCrc must be set before. */
export function encodeIncrementalFields(inc: OSDMapIncremental, features: bigint): EncodedMap {
  requireEncodable(features);
  inc.encodeFeatures = features;
  const w = new Writer(4096, features);
  const token = w.structStart(WRAPPER_VERSION, WRAPPER_COMPAT);
  const ranges = inc.newRangeBlocklist.size > 0 || inc.oldRangeBlocklist.length > 0;
  const primaries = inc.newPgUpmapPrimaries.size > 0 || inc.oldPgUpmapPrimaries.size > 0;
  const wire = primaries && hasFeature(features, feature.SERVER_REEF) ? incClientWireReef : incClientWire;
  wire.encode(w, { ...inc, newStateOld: new Map() } as never);
  incOsdWriter(inc.changeStretchMode, ranges).encode(w, { ...inc, minCompatClientName: '' } as never);
  const at = w.length;
  w.u32(0);
  w.u32(inc.fullCrc);
  w.structEnd(token);
  const crc = crcAround(w.bytes(), 0, at, w.length);
  w.patchU32(at, crc);
  inc.incCrc = crc;
  return { bytes: w.bytes(), crc };
}

function requireModern(r: Reader, what: string): void {
  if (r.remaining > 0 && r.buffer[r.offset]! < WRAPPER_COMPAT) {
    r.fail(`${what} of version ${r.buffer[r.offset]}, from before Firefly`);
  }
}

function named<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) error.within(name);
    throw error;
  }
}

/** Reads the crc that ends the wrapper and compares. */
function checkCrc(r: Reader, start: number, end: number): number {
  const at = r.offset;
  const crc = r.u32();
  const actual = crcAround(r.buffer, start, at, end);
  if (actual !== crc) r.fail(`bad crc, actual ${actual} != expected ${crc}`);
  return crc;
}

/** Reads a map; the crc is checked. */
export function decodeFields(r: Reader): { fields: OSDMapFields; crc: number | undefined } {
  return named('OSDMap', () => {
    requireModern(r, 'a map');
    const start = r.offset;
    const frame = r.structStart(WRAPPER_VERSION);
    const { osdStateOld, ...client } = fullClientWire.decode(r);
    const { minCompatClientName, ...osd } = fullOsdWire.decode(r);
    const fields: Writable = { ...client, ...osd };
    if (osdStateOld.length > 0) fields.osdState = osdStateOld;
    if (minCompatClientName !== '') fields.requireMinCompatClient = releaseFromName(minCompatClientName);
    normaliseRelease(fields);
    checkLengths(r, fields);
    const crc = frame.version >= 8 ? checkCrc(r, start, frame.end) : undefined;
    r.structEnd(frame);
    return { fields, crc };
  });
}

type Writable = { -readonly [K in keyof OSDMapFields]: OSDMapFields[K] };

function normaliseRelease(fields: Writable): void {
  if (fields.requireOsdRelease === release.UNKNOWN) {
    if ((fields.flags & osdMapFlag.REQUIRE_LUMINOUS) !== 0) fields.requireOsdRelease = release.LUMINOUS;
    else if ((fields.flags & osdMapFlag.REQUIRE_KRAKEN) !== 0) fields.requireOsdRelease = release.KRAKEN;
    else if ((fields.flags & osdMapFlag.REQUIRE_JEWEL) !== 0) fields.requireOsdRelease = release.JEWEL;
  }
  if (fields.requireOsdRelease >= release.NAUTILUS) fields.flags |= osdMapFlag.PGLOG_HARDLIMIT;
  if (fields.requireOsdRelease >= release.LUMINOUS) {
    fields.flags = ((fields.flags & ~OSDMAP_LEGACY_REQUIRE_FLAGS) | osdMapFlag.RECOVERY_DELETES) >>> 0;
  }
}

/** Lists by OSD id must be as long as the map says: everything after relies on it. */
function checkLengths(r: Reader, m: OSDMapFields): void {
  const lists = [
    m.osdState,
    m.osdWeight,
    m.clientAddrs,
    m.clusterAddrs,
    m.hbBackAddrs,
    m.hbFrontAddrs,
    m.osdInfo,
    m.osdXinfo,
    m.osdUuid,
  ];
  for (const list of lists)
    if (list.length !== m.maxOsd) r.fail(`a list of ${list.length} OSDs, max_osd is ${m.maxOsd}`);
  if (m.primaryAffinity.length !== 0 && m.primaryAffinity.length !== m.maxOsd)
    r.fail('primary affinities too few or many');
}

/** Reads an incremental; the crc is checked. */
export function decodeIncremental(r: Reader): OSDMapIncremental {
  return named('OSDMap::Incremental', () => {
    requireModern(r, 'an incremental');
    const start = r.offset;
    const frame = r.structStart(WRAPPER_VERSION);
    const { newStateOld, ...client } = incClientWire.decode(r);
    const { minCompatClientName, ...osd } = incOsdWire.decode(r);
    const inc = new OSDMapIncremental(client.epoch, { ...client, ...osd } as Partial<OSDMapIncremental>);
    if (newStateOld.size > 0) inc.newState = newStateOld;
    if (minCompatClientName !== '') inc.newRequireMinCompatClient = releaseFromName(minCompatClientName);
    if (frame.version >= 8) {
      inc.incCrc = checkCrc(r, start, frame.end);
      inc.fullCrc = r.u32();
    }
    r.structEnd(frame);
    return inc;
  });
}

export function readerOf(bytes: Uint8Array): Reader {
  return new Reader(bytes);
}
