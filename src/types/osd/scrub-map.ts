import { bool, type Codec, since, struct, u32, u64num } from '../../encoding/index.ts';
import { type Eversion, eversion } from './eversion.ts';
import { compareHobject, type Hobject, hobject } from './hobject.ts';
import { namedBytes } from './recovery.ts';

/** ScrubMap::object: what an OSD found of an object. */
export interface ScrubObject {
  /** As a double 2^64 where it could not be found out. */
  size: number;
  negative: boolean;
  attrs: Map<string, Uint8Array>;
  digest: number;
  digestPresent: boolean;
  omapDigest: number;
  omapDigestPresent: boolean;
  statError: boolean;
  readError: boolean;
  ecHashMismatch: boolean;
  ecSizeMismatch: boolean;
  largeOmapObjectFound: boolean;
  largeOmapObjectKeyCount: number;
  largeOmapObjectValueSize: number;
  objectOmapBytes: number;
  objectOmapKeys: number;
}

export function makeScrubObject(): ScrubObject {
  return {
    size: 2 ** 64,
    negative: false,
    attrs: new Map(),
    digest: 0,
    digestPresent: false,
    omapDigest: 0,
    omapDigestPresent: false,
    statError: false,
    readError: false,
    ecHashMismatch: false,
    ecSizeMismatch: false,
    largeOmapObjectFound: false,
    largeOmapObjectKeyCount: 0,
    largeOmapObjectValueSize: 0,
    objectOmapBytes: 0,
    objectOmapKeys: 0,
  };
}

const wire = struct(
  'ScrubMap::object',
  { version: 10, compat: 7 },
  {
    size: u64num,
    negative: bool,
    attrs: namedBytes,
    digest: u32,
    digestPresent: bool,
    nlinks: u32,
    snapcolls: u32,
    omapDigest: u32,
    omapDigestPresent: bool,
    /** readError for readers that do not know the finer ones. */
    anyReadError: bool,
    statError: bool,
    readError: since(8, bool, () => false),
    ecHashMismatch: since(8, bool, () => false),
    ecSizeMismatch: since(8, bool, () => false),
    largeOmapObjectFound: since(9, bool, () => false),
    largeOmapObjectKeyCount: since(9, u64num, () => 0),
    largeOmapObjectValueSize: since(9, u64num, () => 0),
    objectOmapBytes: since(10, u64num, () => 0),
    objectOmapKeys: since(10, u64num, () => 0),
  },
);

export const scrubObject: Codec<ScrubObject> = {
  name: 'ScrubMap::object',
  length_min: 6,
  encode(w, o) {
    const anyReadError = o.readError || o.ecHashMismatch || o.ecSizeMismatch;
    wire.encode(w, { ...o, anyReadError, nlinks: 0, snapcolls: 0 });
  },
  decode(r) {
    const { anyReadError, nlinks: _links, snapcolls, ...o } = wire.decode(r);
    if (snapcolls !== 0) r.fail('snapshot collections in a ScrubMap');
    if (anyReadError && !o.ecHashMismatch && !o.ecSizeMismatch) o.readError = true;
    return o;
  },
};

/** ScrubMap: what an OSD found of a range of objects, in order. */
export interface ScrubMap {
  objects: [object: Hobject, found: ScrubObject][];
  validThrough: Eversion;
  incrSince: Eversion;
}

export const scrubMap: Codec<ScrubMap> = {
  name: 'ScrubMap',
  length_min: 6,
  encode(w, m) {
    const token = w.structStart(3, 2);
    w.u32(m.objects.length);
    for (const [object, found] of [...m.objects].sort((a, b) => compareHobject(a[0], b[0]))) {
      hobject.encode(w, object);
      scrubObject.encode(w, found);
    }
    w.u32(0);
    w.u32(0);
    eversion.encode(w, m.validThrough);
    eversion.encode(w, m.incrSince);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(3);
    const objects: ScrubMap['objects'] = [];
    for (let n = r.count(12); n > 0; n--) {
      const object = hobject.decode(r);
      objects.push([object, scrubObject.decode(r)]);
    }
    for (let n = r.count(8); n > 0; n--) {
      r.blob();
      r.blob();
    }
    r.blob();
    const validThrough = eversion.decode(r);
    const incrSince = eversion.decode(r);
    r.structEnd(frame);
    return { objects, validThrough, incrSince };
  },
};
