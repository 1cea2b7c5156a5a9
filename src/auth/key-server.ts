import { type Clock, type Entropy, errno } from '../base/index.ts';
import { blob, type Codec, encodeToBytes, Reader, u64, type Writer } from '../encoding/index.ts';
import {
  type AuthName,
  compareUtime,
  entityType,
  entityTypeName,
  formatAuthName,
  type Utime,
  utimeAdd,
  utimeFromMs,
  utimeFromSeconds,
  utimeSub,
  utimeToSeconds,
} from '../types/index.ts';
import type { KeyStore } from './cephx/authorizer.ts';
import { type SessionAuthInfo, writeSealed } from './cephx/protocol.ts';
import { CryptoKey, keyUsage } from './crypto.ts';
import { AuthError } from './error.ts';
import { KeyRing } from './keyring.ts';
import {
  type AuthTicket,
  authNameText,
  type EntityAuth,
  type ExpiringCryptoKey,
  encodeCaps,
  entityAuth,
  entityAuthMap,
  KEY_ROTATE_COUNT,
  makeTicket,
  needsNewSecrets,
  noCaps,
  noSecrets,
  type RotatingSecrets,
  rotatingMap,
  rotatingSecrets,
  tagged,
} from './records.ts';

/** Services whose tickets are sealed with rotating secrets. */
const ROTATING_SERVICES = [entityType.AUTH, entityType.MON, entityType.OSD, entityType.MDS, entityType.MGR] as const;

const keyServerDataWire = tagged('KeyServerData', 1, {
  version: u64,
  rotatingVersion: u64,
  secrets: entityAuthMap,
  rotating: rotatingMap,
});
const rotatingUpdate = tagged('KeyServerData.rotating', 1, { rotatingVersion: u64, rotating: rotatingMap });

/** One change of the key database, as the monitors agree on it (KeyServerData::Incremental). */
export type KeyIncremental =
  | { readonly op: 'nop' }
  | { readonly op: 'add'; readonly name: string; readonly auth: EntityAuth }
  | { readonly op: 'del'; readonly name: string }
  /** The bytes of {@link KeyServer.prepareRotation}. */
  | { readonly op: 'setRotating'; readonly update: Uint8Array };

const INC_OPS = ['nop', 'add', 'del', 'setRotating'] as const;
const noAuth: EntityAuth = { key: CryptoKey.none, caps: new Map() };

export const keyIncremental: Codec<KeyIncremental> = {
  name: 'KeyServerData::Incremental',
  length_min: 5,
  encode(w, inc) {
    w.u8(1);
    w.u32(INC_OPS.indexOf(inc.op));
    if (inc.op === 'setRotating') blob.encode(w, inc.update);
    else {
      authNameText.encode(w, inc.op === 'nop' ? '' : inc.name);
      entityAuth.encode(w, inc.op === 'add' ? inc.auth : noAuth);
    }
  },
  decode(r) {
    r.u8();
    const op = INC_OPS[r.u32()] ?? r.fail('unknown kind of change of keys');
    if (op === 'setRotating') return { op, update: r.blob().slice() };
    const name = authNameText.decode(r);
    const auth = entityAuth.decode(r);
    return op === 'add' ? { op, name, auth } : op === 'del' ? { op, name } : { op };
  },
};

/** Times to live of tickets in seconds: auth_mon_ticket_ttl, auth_service_ticket_ttl. */
export interface TicketLifetimes {
  auth_s(): number;
  service_s(): number;
}

/**
 * The monitors' key database: keys and caps of all entities, and the rotating secrets of the services. Changes come as
 * {@link KeyIncremental}s that the monitors have agreed on.
 */
export class KeyServer implements KeyStore {
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #lifetimes: TicketLifetimes;
  /** The monitor's own key ring: the monitors' key is not in the database. */
  readonly #extra: KeyRing;
  /** Last committed version of the database. */
  version = 0n;
  #rotatingVersion = 0n;
  #secrets = new Map<string, EntityAuth>();
  #rotating = new Map<number, RotatingSecrets>();

  constructor(clock: Clock, entropy: Entropy, lifetimes: TicketLifetimes, extra: KeyRing = new KeyRing()) {
    this.#clock = clock;
    this.#entropy = entropy;
    this.#lifetimes = lifetimes;
    this.#extra = extra;
  }

  // --- the database

  encode(w: Writer): void {
    keyServerDataWire.encode(w, {
      version: this.version,
      rotatingVersion: this.#rotatingVersion,
      secrets: this.#secrets,
      rotating: this.#rotating,
    });
  }

  decode(r: Reader): void {
    const data = keyServerDataWire.decode(r);
    this.version = data.version;
    this.#rotatingVersion = data.rotatingVersion;
    this.#secrets = data.secrets;
    this.#rotating = data.rotating;
  }

  apply(inc: KeyIncremental): void {
    switch (inc.op) {
      case 'add':
        this.#secrets.set(inc.name, inc.auth);
        break;
      case 'del':
        this.#secrets.delete(inc.name);
        break;
      case 'setRotating': {
        const update = rotatingUpdate.decode(new Reader(inc.update));
        this.#rotatingVersion = update.rotatingVersion;
        this.#rotating = update.rotating;
        break;
      }
      case 'nop':
        break;
    }
  }

  clear(): void {
    this.version = 0n;
    this.#rotatingVersion = 0n;
    this.#secrets.clear();
    this.#rotating.clear();
  }

  /** Whether the database (not the monitor's key ring) holds the entity. */
  contains(name: AuthName | string): boolean {
    return this.#secrets.has(text(name));
  }

  get size(): number {
    return this.#secrets.size;
  }

  /** From the database, else from the monitor's key ring. */
  get(name: AuthName | string): EntityAuth | undefined {
    const key = text(name);
    return this.#secrets.get(key) ?? this.#extra.get(key);
  }

  /** All of the database, as a key ring. */
  export(): KeyRing {
    return new KeyRing(this.#secrets);
  }

  /** Caps of an entity at a service (`mon`, `osd`, ...); empty text where it has none, undefined where there is no such entity. */
  caps(name: AuthName | string, service: string): string | undefined {
    const auth = this.get(name);
    return auth === undefined ? undefined : (auth.caps.get(service) ?? '');
  }

  generateKey(): CryptoKey {
    return CryptoKey.create(this.#entropy, this.#clock.now());
  }

  // --- KeyStore

  secretOf(name: string): CryptoKey | undefined {
    return this.get(name)?.key;
  }

  serviceSecret(serviceId: number, secretId: bigint): CryptoKey | undefined {
    return this.#rotating.get(serviceId)?.secrets.get(secretId)?.key;
  }

  // --- rotating secrets

  #ttl_s(serviceId: number): number {
    return serviceId === entityType.AUTH ? this.#lifetimes.auth_s() : this.#lifetimes.service_s();
  }

  /** The change that gives every service its three secrets; undefined while all are good. */
  prepareRotation(): Uint8Array | undefined {
    const rotating = new Map(this.#rotating);
    let isChanged = false;
    for (const service of ROTATING_SERVICES) {
      const before = rotating.get(service) ?? noSecrets;
      const after = this.#rotate(before, this.#ttl_s(service));
      if (after === before) continue;
      rotating.set(service, after);
      isChanged = true;
    }
    if (!isChanged) return undefined;
    return encodeToBytes(rotatingUpdate, { rotatingVersion: this.#rotatingVersion + 1n, rotating });
  }

  #rotate(before: RotatingSecrets, ttl_s: number): RotatingSecrets {
    const now_ms = this.#clock.now();
    const now = utimeFromMs(now_ms);
    const ttl = utimeFromSeconds(ttl_s);
    let s = before;
    while (needsNewSecrets(s, now_ms)) {
      const secrets = new Map(s.secrets);
      const newest = [...secrets.values()].at(-1);
      // The first lives one ttl; each later one a ttl longer than the one before it, or than now.
      const base: Utime = newest === undefined ? now : later(utimeAdd(now, ttl), newest.expiration);
      const made: ExpiringCryptoKey = { key: this.generateKey(), expiration: utimeAdd(base, ttl) };
      const id = s.maxVer + 1n;
      secrets.set(id, made);
      while (secrets.size > KEY_ROTATE_COUNT) secrets.delete(secrets.keys().next().value!);
      s = { secrets, maxVer: id };
    }
    return s;
  }

  /** The secret that new tickets of the service are sealed with, and how long such a ticket may live. */
  currentServiceSecret(serviceId: number): { secret: CryptoKey; secretId: bigint; ttl_s: number } | undefined {
    const secrets = [...(this.#rotating.get(serviceId)?.secrets ?? [])];
    if (secrets.length === 0) return undefined;
    const now = utimeFromMs(this.#clock.now());
    let at = secrets.length > 1 ? 1 : 0;
    if (compareUtime(secrets[at]![1].expiration, now) < 0 && at + 1 < secrets.length) at++;
    const [secretId, { key }] = secrets[at]!;
    const last = secrets.at(-1)![1].expiration;
    const ttl_s = Math.min(this.#ttl_s(serviceId), utimeToSeconds(utimeSub(last, now)));
    return { secret: key, secretId, ttl_s };
  }

  /** Writes the rotating secrets of the entity's own kind of service, sealed with its key. EACCES where it has none. */
  writeRotating(w: Writer, name: AuthName): void {
    const auth = this.#secrets.get(formatAuthName(name));
    const secrets = this.#rotating.get(name.type);
    if (auth === undefined || secrets === undefined) {
      throw new AuthError(errno.EACCES, `no rotating secrets for ${formatAuthName(name)}`);
    }
    writeSealed(w, auth.key, rotatingSecrets, secrets, keyUsage.ROTATING_SECRET, this.#entropy);
  }

  // --- tickets

  /**
   * A ticket for a service in the name (and with the caps) of the holder of `parent`. EACCES where the service has no secrets,
   * EINVAL where the entity is gone.
   */
  serviceTicket(serviceId: number, parent: AuthTicket): SessionAuthInfo {
    const current = this.currentServiceSecret(serviceId);
    if (current === undefined) {
      throw new AuthError(errno.EACCES, `no secrets for service ${entityTypeName(serviceId)}`);
    }
    return this.#ticket(serviceId, parent, current.secret, current.secretId, current.ttl_s);
  }

  /** As above, sealed with a secret given: the monitors' own key. */
  ticketWith(serviceId: number, parent: AuthTicket, secret: CryptoKey, secretId: bigint): SessionAuthInfo {
    return this.#ticket(serviceId, parent, secret, secretId, this.#lifetimes.service_s());
  }

  #ticket(
    serviceId: number,
    parent: AuthTicket,
    serviceSecret: CryptoKey,
    secretId: bigint,
    ttl_s: number,
  ): SessionAuthInfo {
    let caps = parent.caps;
    if (serviceId !== entityType.MON) {
      const granted = this.caps(parent.name, entityTypeName(serviceId));
      if (granted === undefined) throw new AuthError(errno.EINVAL, `no entity ${formatAuthName(parent.name)}`);
      caps = granted === '' ? noCaps : { allowAll: false, caps: encodeCaps(granted) };
    }
    return {
      serviceId,
      secretId,
      serviceSecret,
      sessionKey: this.generateKey(),
      ticket: { ...makeTicket(parent.name, parent.globalId, this.#clock.now(), ttl_s, caps), flags: parent.flags },
      validity: utimeFromSeconds(ttl_s),
    };
  }
}

/** The rotating secrets that a daemon got from the monitors, with its own key ring: what it verifies authorizers with. */
export class RotatingKeyRing implements KeyStore {
  readonly #serviceId: number;
  readonly #keyring: KeyRing;
  #secrets: RotatingSecrets = noSecrets;

  constructor(serviceId: number, keyring: KeyRing) {
    this.#serviceId = serviceId;
    this.#keyring = keyring;
  }

  set(secrets: RotatingSecrets): void {
    this.#secrets = secrets;
  }

  /** Whether secrets are missing, or the current one is over at `now` (wall ms). */
  needsNew(now_ms: number): boolean {
    return needsNewSecrets(this.#secrets, now_ms);
  }

  get isComplete(): boolean {
    return this.#secrets.secrets.size >= KEY_ROTATE_COUNT;
  }

  secretOf(name: string): CryptoKey | undefined {
    return this.#keyring.key(name);
  }

  serviceSecret(serviceId: number, secretId: bigint): CryptoKey | undefined {
    return serviceId === this.#serviceId ? this.#secrets.secrets.get(secretId)?.key : undefined;
  }
}

function text(name: AuthName | string): string {
  return typeof name === 'string' ? name : formatAuthName(name);
}

function later(a: Utime, b: Utime): Utime {
  return compareUtime(a, b) >= 0 ? a : b;
}
