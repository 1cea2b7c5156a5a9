/** Advisory locks on objects: class `lock` at the OSDs (cls/lock/cls_lock_ops.h, cls_lock_types.h). */
import { Reader, Writer } from '../encoding/index.ts';
import {
  type EntityName,
  entityAddr,
  entityName,
  formatEntityName,
  parseEntityName,
  utime,
  utimeFromMs,
  utimeIsZero,
  utimeToMs,
} from '../types/index.ts';
import type { IoCtx } from './io-ctx.ts';
import type { OpOptions } from './io-ctx-options.ts';
import { RadosError } from './rados-error.ts';

export type LockType = 'exclusive' | 'shared';

const TYPES: Readonly<Record<LockType, number>> = { exclusive: 1, shared: 2 };
const MAY_RENEW = 1;
const MUST_RENEW = 2;

export interface LockOptions extends OpOptions {
  /** 'exclusive'. */
  readonly type?: LockType | undefined;
  /** Sets holders of one client apart; ''. */
  readonly cookie?: string | undefined;
  /** Shared holders must all name the same; ''. */
  readonly tag?: string | undefined;
  /** Said to whoever asks who holds the lock. */
  readonly description?: string | undefined;
  /** After so long the lock counts as given back; 0: never. */
  readonly duration_ms?: number | undefined;
  /** 'may': a lock that this client holds with this cookie is no error but gets the duration anew; 'must': ENOENT where it does not hold it. */
  readonly renew?: 'may' | 'must' | undefined;
}

/** Who holds a lock. */
export interface LockHolder {
  /** `client.4123`. */
  readonly client: string;
  readonly cookie: string;
  readonly description: string;
  /** In ms since 1970; undefined: never. */
  readonly expires_ms: number | undefined;
  /** `ip:port/nonce`. */
  readonly address: string;
}

export interface LockInfo {
  /** 'none' where nobody holds it. */
  readonly type: LockType | 'exclusive-ephemeral' | 'none';
  readonly tag: string;
  readonly holders: readonly LockHolder[];
}

const TYPE_NAMES = ['none', 'exclusive', 'shared', 'exclusive-ephemeral'] as const;

/** An input of the class: a versioned struct. */
function input(fill: (w: Writer) => void): Uint8Array {
  const w = new Writer(128);
  const token = w.structStart(1, 1);
  fill(w);
  w.structEnd(token);
  return w.bytes();
}

export function lockInput(name: string, options: LockOptions): Uint8Array {
  return input((w) => {
    w.string(name);
    w.u8(TYPES[options.type ?? 'exclusive']);
    w.string(options.cookie ?? '');
    w.string(options.tag ?? '');
    w.string(options.description ?? '');
    utime.encode(w, utimeFromMs(options.duration_ms ?? 0));
    w.u8(options.renew === 'may' ? MAY_RENEW : options.renew === 'must' ? MUST_RENEW : 0);
  });
}

export function unlockInput(name: string, cookie: string): Uint8Array {
  return input((w) => {
    w.string(name);
    w.string(cookie);
  });
}

export function breakInput(name: string, client: string, cookie: string): Uint8Array {
  const who: EntityName | undefined = parseEntityName(client);
  if (who === undefined) throw new RadosError(-22, { operation: 'breakLock', detail: `'${client}' is no client` });
  return input((w) => {
    w.string(name);
    entityName.encode(w, who);
    w.string(cookie);
  });
}

export function infoInput(name: string): Uint8Array {
  return input((w) => w.string(name));
}

export function decodeLockInfo(output: Uint8Array): LockInfo {
  const r = new Reader(output);
  const frame = r.structStart(1);
  const holders: LockHolder[] = [];
  for (let n = r.count(12); n > 0; n--) {
    const id = r.structStart(1);
    const client = formatEntityName(entityName.decode(r));
    const cookie = r.string();
    r.structEnd(id);
    const info = r.structStart(1);
    const expiration = utime.decode(r);
    const address = entityAddr.decode(r).legacyText;
    const description = r.string();
    r.structEnd(info);
    const expires_ms = utimeIsZero(expiration) ? undefined : utimeToMs(expiration);
    holders.push({ client, cookie, description, expires_ms, address });
  }
  const type = TYPE_NAMES[r.u8()] ?? 'none';
  const tag = r.string();
  r.structEnd(frame);
  return { type, tag, holders };
}

export function decodeLockNames(output: Uint8Array): string[] {
  const r = new Reader(output);
  const frame = r.structStart(1);
  const names: string[] = [];
  for (let n = r.count(4); n > 0; n--) names.push(r.string());
  r.structEnd(frame);
  return names;
}

/** A lock that this client holds. */
export class Lock {
  readonly #io: IoCtx;
  readonly oid: string;
  readonly name: string;
  readonly #options: LockOptions;

  /** Use {@link IoCtx.lock}. */
  constructor(io: IoCtx, oid: string, name: string, options: LockOptions) {
    this.#io = io;
    this.oid = oid;
    this.name = name;
    this.#options = options;
  }

  get cookie(): string {
    return this.#options.cookie ?? '';
  }

  /** Lets it last for another `duration_ms` (by default as long as it was taken for) from now on. ENOENT where it is not held any more. */
  async renew(duration_ms = this.#options.duration_ms): Promise<void> {
    await this.#io.lock(this.oid, this.name, { ...this.#options, duration_ms, renew: 'must' });
  }

  /** ENOENT where it is not held any more. */
  async unlock(): Promise<void> {
    await this.#io.unlock(this.oid, this.name, this.cookie);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.unlock();
    } catch (error) {
      if (!(error instanceof RadosError)) throw error;
    }
  }
}
