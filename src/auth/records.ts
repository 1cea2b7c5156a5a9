import {
  type BodyCodec,
  blob,
  body,
  bool,
  type Codec,
  decodeFromBytes,
  encodeToBytes,
  mapped,
  type Reader,
  type StructOf,
  since,
  sortedMap,
  string,
  u32,
  u64,
} from '../encoding/index.ts';
import {
  type AuthName,
  authName,
  compareAuthName,
  formatAuthName,
  parseAuthName,
  type Utime,
  utime,
  utimeAdd,
  utimeFromMs,
  utimeFromSeconds,
} from '../types/index.ts';
import { type CryptoKey, cryptoKey } from './crypto.ts';

/** Fields behind one version byte and no length: the form of all structs of Ceph's auth. Versions above ours are read as ours. */
export function tagged<F extends Parameters<typeof body>[2]>(
  name: string,
  version: number,
  fields: F,
): Codec<StructOf<F>> {
  const inner: BodyCodec<StructOf<F>> = body(name, { version, compat: 1 }, fields);
  return {
    name,
    length_min: 1,
    encode(w, value) {
      w.u8(version);
      inner.encode(w, value);
    },
    decode: (r: Reader) => inner.decode(r, r.u8()),
  };
}

/** CEPH_AUTH_UID_DEFAULT, where once was a user id. */
const AUID_NONE = 0xffff_ffff_ffff_ffffn;
const auid: Codec<undefined> = {
  name: 'auid',
  length_min: 8,
  encode: (w) => w.u64(AUID_NONE),
  decode: (r) => {
    r.skip(8);
    return undefined;
  },
};

/** A caps string as it travels: a bufferlist that holds an encoded string. */
export function encodeCaps(text: string): Uint8Array {
  return encodeToBytes(string, text);
}

/** Text of an encoded caps string; empty for none. DecodeError for bytes that are no string. */
export function decodeCaps(caps: Uint8Array): string {
  return caps.length === 0 ? '' : decodeFromBytes(string, caps);
}

const capsBlob: Codec<string> = mapped(blob, 'caps', decodeCaps, encodeCaps);
const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Key and caps (by service: mon, osd, mgr, mds) of one entity. */
export interface EntityAuth {
  readonly key: CryptoKey;
  readonly caps: ReadonlyMap<string, string>;
}

const entityAuthWire = tagged('EntityAuth', 2, {
  auid: since(2, auid, () => undefined),
  key: cryptoKey,
  caps: sortedMap(string, capsBlob, byBytes),
});

export const entityAuth: Codec<EntityAuth> = {
  name: 'EntityAuth',
  length_min: entityAuthWire.length_min,
  encode: (w, a) => entityAuthWire.encode(w, { auid: undefined, key: a.key, caps: new Map(a.caps) }),
  decode(r) {
    const { key, caps } = entityAuthWire.decode(r);
    return { key, caps };
  },
};

/** An EntityName as text (`client.admin`), so that maps can be keyed by it. */
export const authNameText: Codec<string> = {
  name: 'EntityName',
  length_min: authName.length_min,
  encode: (w, text) => authName.encode(w, parseAuthName(text) ?? { type: 0, id: '' }),
  decode: (r) => formatAuthName(authName.decode(r)),
};

/** Order of std::map<EntityName, ...> for names as text. */
export function compareAuthNameText(a: string, b: string): number {
  const x = parseAuthName(a);
  const y = parseAuthName(b);
  return x === undefined || y === undefined ? byBytes(a, b) : compareAuthName(x, y);
}

/** Entities by name. */
export const entityAuthMap: Codec<Map<string, EntityAuth>> = sortedMap(authNameText, entityAuth, compareAuthNameText);

/** What a ticket allows at its service. */
export interface AuthCapsInfo {
  readonly allowAll: boolean;
  /** An encoded string ({@link encodeCaps}), or empty. */
  readonly caps: Uint8Array;
}

export const authCapsInfo: Codec<AuthCapsInfo> = tagged('AuthCapsInfo', 1, { allowAll: bool, caps: blob });
export const noCaps: AuthCapsInfo = Object.freeze({ allowAll: false, caps: new Uint8Array(0) });
export const allCaps: AuthCapsInfo = Object.freeze({ allowAll: true, caps: new Uint8Array(0) });

/** Who holds the ticket, and until when. */
export interface AuthTicket {
  readonly name: AuthName;
  readonly globalId: bigint;
  readonly created: Utime;
  readonly expires: Utime;
  readonly caps: AuthCapsInfo;
  readonly flags: number;
}

const authTicketWire = tagged('AuthTicket', 2, {
  name: authName,
  globalId: u64,
  auid: since(2, auid, () => undefined),
  created: utime,
  expires: utime,
  caps: authCapsInfo,
  flags: u32,
});

export const authTicket: Codec<AuthTicket> = {
  name: 'AuthTicket',
  length_min: authTicketWire.length_min,
  encode: (w, t) => authTicketWire.encode(w, { ...t, auid: undefined }),
  decode(r) {
    const { auid: _auid, ...ticket } = authTicketWire.decode(r);
    return ticket;
  },
};

export function makeTicket(
  name: AuthName,
  globalId: bigint,
  now_ms: number,
  ttl_s: number,
  caps: AuthCapsInfo = noCaps,
): AuthTicket {
  const created = utimeFromMs(now_ms);
  return { name, globalId, created, expires: utimeAdd(created, utimeFromSeconds(ttl_s)), caps, flags: 0 };
}

/** A service's key of a span of time. */
export interface ExpiringCryptoKey {
  readonly key: CryptoKey;
  readonly expiration: Utime;
}

export const expiringCryptoKey: Codec<ExpiringCryptoKey> = tagged('ExpiringCryptoKey', 1, {
  key: cryptoKey,
  expiration: utime,
});

const byBigint = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** How many keys of a service are in use: previous, current, next. */
export const KEY_ROTATE_COUNT = 3;

/** A service's keys by id, ascending. */
export interface RotatingSecrets {
  readonly secrets: ReadonlyMap<bigint, ExpiringCryptoKey>;
  /** Id of the newest ever made. */
  readonly maxVer: bigint;
}

export const noSecrets: RotatingSecrets = Object.freeze({ secrets: new Map(), maxVer: 0n });

const rotatingWire = tagged('RotatingSecrets', 1, {
  secrets: sortedMap(u64, expiringCryptoKey, byBigint),
  maxVer: u64,
});

export const rotatingSecrets: Codec<RotatingSecrets> = {
  name: 'RotatingSecrets',
  length_min: rotatingWire.length_min,
  encode: (w, s) => rotatingWire.encode(w, { secrets: new Map(s.secrets), maxVer: s.maxVer }),
  decode: (r) => rotatingWire.decode(r),
};

/** Secrets of all services, keyed by entity type. */
export const rotatingMap: Codec<Map<number, RotatingSecrets>> = sortedMap(u32, rotatingSecrets, (a, b) => a - b);

/** The second of three, by id: the one that new tickets are sealed with. */
export function currentSecret(s: RotatingSecrets): ExpiringCryptoKey | undefined {
  return [...s.secrets.values()][1];
}

/** Whether keys are missing or the current one has expired at `now`. */
export function needsNewSecrets(s: RotatingSecrets, now_ms: number): boolean {
  const current = currentSecret(s);
  if (s.secrets.size < KEY_ROTATE_COUNT || current === undefined) return true;
  const now = utimeFromMs(now_ms);
  return (
    current.expiration.sec < now.sec || (current.expiration.sec === now.sec && current.expiration.nsec <= now.nsec)
  );
}
