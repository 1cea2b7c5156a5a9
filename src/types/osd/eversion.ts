import { type Codec, plain, s32, struct, u64num } from '../../encoding/index.ts';
import { type EntityName, entityName, formatEntityName } from '../entity-name.ts';

/** eversion_t: a position in a PG's log. */
export interface Eversion {
  readonly epoch: number;
  readonly version: number;
}

export const eversionZero: Eversion = Object.freeze({ epoch: 0, version: 0 });
/** eversion_t::max(): all ones. */
export const eversionMax: Eversion = Object.freeze({ epoch: 0xffffffff, version: 2 ** 64 });

/** 12 bytes: version, then epoch. */
export const eversion: Codec<Eversion> = {
  name: 'eversion_t',
  length_min: 12,
  encode(w, v) {
    w.u64num(v.version);
    w.u32(v.epoch);
  },
  decode(r) {
    const version = r.u64num();
    const epoch = r.u32();
    return version === 0 && epoch === 0 ? eversionZero : { epoch, version };
  },
};

export function makeEversion(epoch: number, version: number): Eversion {
  return { epoch, version };
}

export function compareEversion(a: Eversion, b: Eversion): number {
  return a.epoch - b.epoch || a.version - b.version;
}

export function sameEversion(a: Eversion, b: Eversion): boolean {
  return a.epoch === b.epoch && a.version === b.version;
}

export function maxEversion(a: Eversion, b: Eversion): Eversion {
  return compareEversion(a, b) >= 0 ? a : b;
}

export function minEversion(a: Eversion, b: Eversion): Eversion {
  return compareEversion(a, b) <= 0 ? a : b;
}

/** `12'345`, as Ceph prints it. */
export function formatEversion(v: Eversion): string {
  const version = v.version === eversionMax.version ? '18446744073709551615' : String(v.version);
  return `${v.epoch}'${version}`;
}

/** Parses what {@link formatEversion} prints. */
export function parseEversion(text: string): Eversion | undefined {
  const m = /^(\d+)'(\d+)$/.exec(text);
  return m === null ? undefined : { epoch: Number(m[1]), version: Number(m[2]) };
}

/** `0000000012.00000000000000000345`: key of a log entry in the PG's omap (eversion_t::get_key_name). */
export function eversionKey(v: Eversion): string {
  const version = v.version === eversionMax.version ? '18446744073709551615' : String(v.version);
  if (v.epoch !== keysEpoch) {
    keysEpoch = v.epoch;
    keysBegin.length = 0;
  }
  keysBegin[version.length] ??= `${String(v.epoch).padStart(10, '0')}.${''.padStart(20 - version.length, '0')}`;
  return keysBegin[version.length] + version;
}

/** How keys of the epoch that was asked for last begin, by the length of the version: nearly all asked for in a row are of one epoch. */
let keysEpoch = -1;
const keysBegin: (string | undefined)[] = [];

/** osd_reqid_t: names one request of one client instance, across resends. */
export interface OsdReqid {
  readonly name: EntityName;
  readonly tid: number;
  /** Incarnation of the client. */
  readonly inc: number;
}

export const osdReqidNone: OsdReqid = Object.freeze({ name: Object.freeze({ type: 0, num: 0 }), tid: 0, inc: 0 });

export const osdReqid: Codec<OsdReqid> = struct(
  'osd_reqid_t',
  { version: 2, compat: 2 },
  { name: entityName, tid: u64num, inc: s32 },
);

/** Plain form without a version header, as in MOSDRepOp's middle versions and JSON-like tables. */
export const osdReqidPlain: Codec<OsdReqid> = plain('osd_reqid_t', { name: entityName, tid: u64num, inc: s32 });

export function sameOsdReqid(a: OsdReqid, b: OsdReqid): boolean {
  return a.tid === b.tid && a.inc === b.inc && a.name.num === b.name.num && a.name.type === b.name.type;
}

/** Key of a Map or Set by request. */
export function osdReqidKey(q: OsdReqid): string {
  return `${q.name.type}.${q.name.num}.${q.inc}:${q.tid}`;
}

/** `client.4123.0:7`, as Ceph prints it. */
export function formatOsdReqid(q: OsdReqid): string {
  return `${formatEntityName(q.name)}.${q.inc}:${q.tid}`;
}
