import {
  type CryptoKey,
  capsProblem,
  type EntityAuth,
  type KeyIncremental,
  KeyRing,
  KeyServer,
  keyIncremental,
  type TicketLifetimes,
} from '../auth/index.ts';
import { type Entropy, ErrnoError } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { Reader, Writer } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import { type Formatter, formatAuthName, parseAuthName } from '../types/index.ts';
import {
  type CommandCall,
  type CommandRegistry,
  type CommandResult,
  committing,
  done,
  failure,
  reply,
} from './commands/registry.ts';
import { Service, type ServiceContext } from './service.ts';

/** Kinds of change in a version (AuthMonitor::IncType). */
const GLOBAL_ID = 1;
const AUTH_DATA = 2;
/** First id that clients get. */
const GLOBAL_ID_MIN = 0x1000;
/** Versions kept: the whole database is written with each. */
const KEEP_VERSIONS = 100;

type Change =
  | { readonly kind: typeof GLOBAL_ID; readonly max: number }
  | { readonly kind: typeof AUTH_DATA; readonly inc: KeyIncremental };

/** Keys with which daemons and tools make further keys, as ceph-mon --mkfs makes them. */
const bootstrapKinds = ['mds', 'mgr', 'osd', 'rbd', 'rbd-mirror', 'rgw'] as const;

/** How the monitors share global ids: each gives those that are its rank modulo their number. */
export interface IdShare {
  readonly rank: number;
  readonly size: number;
}

export interface AuthOwner {
  share(): IdShare;
  /** A peon asks its leader to raise the limit. */
  askLeader(max: number): void;
}

/** Keys, caps and ids: everything that makes somebody who he says he is. */
export class AuthMonitor extends Service {
  readonly keyServer: KeyServer;
  readonly #config: Config;
  #pending: Change[] = [];
  #maxGlobalId = 0;
  #lastGlobalId = 0;
  readonly #waitingForIds: ((id: bigint) => void)[] = [];
  /** What a new cluster starts with. */
  initialKeyring = new KeyRing();

  readonly #owner: AuthOwner;
  #shareSize = 0;

  constructor(context: ServiceContext, config: Config, entropy: Entropy, own: KeyRing, owner: AuthOwner) {
    super('auth', context);
    this.#owner = owner;
    this.#config = config;
    const lifetimes: TicketLifetimes = {
      auth_s: () => config.num('auth_mon_ticket_ttl'),
      service_s: () => config.num('auth_service_ticket_ttl'),
    };
    this.keyServer = new KeyServer(context.clock, entropy, lifetimes, own);
  }

  protected override createInitial(): void {
    for (const [name, auth] of this.initialKeyring.entries()) {
      // The monitors' own key stays in their keyring files.
      if (name !== 'mon.') this.#push({ op: 'add', name, auth });
    }
    for (const kind of bootstrapKinds) {
      const name = `client.bootstrap-${kind}`;
      if (this.initialKeyring.get(name) !== undefined) continue;
      const caps = new Map([['mon', `allow profile bootstrap-${kind}`]]);
      this.#push({ op: 'add', name, auth: { key: this.keyServer.generateKey(), caps } });
    }
    const update = this.keyServer.prepareRotation();
    if (update !== undefined) this.#push({ op: 'setRotating', update });
    this.#pending.push({ kind: GLOBAL_ID, max: GLOBAL_ID_MIN });
  }

  protected override createPending(): void {
    this.#pending = [];
  }

  #push(inc: KeyIncremental): void {
    this.#pending.push({ kind: AUTH_DATA, inc });
  }

  protected override encodePending(t: StoreTransaction): void {
    const version = this.version + 1;
    const w = new Writer(1024);
    w.u32(this.#pending.length);
    for (const change of this.#pending) {
      w.u32(change.kind);
      if (change.kind === GLOBAL_ID) w.u64num(change.max);
      else keyIncremental.encode(w, change.inc);
    }
    this.putVersion(t, version, w.bytes());
    this.putLastCommitted(t, version);
    t.put(this.table, 'full_latest', this.#fullAfterPending(version));
  }

  /** The whole database as of the version being proposed, so that a start reads one value and old versions can go. */
  #fullAfterPending(version: number): Uint8Array {
    const current = new Writer(4096);
    this.keyServer.encode(current);
    const next = new KeyServer(this.context.clock, noEntropy, { auth_s: () => 0, service_s: () => 0 });
    next.decode(new Reader(current.bytes()));
    let max = this.#maxGlobalId;
    for (const change of this.#pending) {
      if (change.kind === GLOBAL_ID) max = change.max;
      else next.apply(change.inc);
    }
    next.version = BigInt(version);
    const w = new Writer(4096);
    w.u64num(version);
    w.u64num(max);
    next.encode(w);
    return w.bytes();
  }

  protected override trimTo(): number {
    return Math.max(0, this.version - KEEP_VERSIONS);
  }

  protected override updateFromCommitted(): void {
    const bytes = this.context.store.get(this.table, 'full_latest');
    if (bytes === undefined) return;
    const first = this.#maxGlobalId === 0;
    const r = new Reader(bytes);
    r.u64num();
    this.#maxGlobalId = r.u64num();
    this.keyServer.decode(r);
    // After a restart, ids below the limit may be in use.
    if (first) this.#lastGlobalId = this.#maxGlobalId;
    this.#serveIds();
  }

  // --- global ids

  /** An id that no client ever had; at once where some are in stock, else after the commit that raises the limit. */
  allocateGlobalId(ready: (id: bigint) => void): void {
    this.#waitingForIds.push(ready);
    this.#serveIds();
    if (!this.#isShort()) return;
    if (this.context.log.isWriteable) this.moreIds(this.#maxGlobalId);
    else this.#owner.askLeader(this.#maxGlobalId);
  }

  /** Whether the limit is to be raised soon. */
  #isShort(): boolean {
    const ahead = this.#config.num('mon_globalid_prealloc');
    return this.#maxGlobalId - this.#lastGlobalId <= ahead / 2 || this.#waitingForIds.length > 0;
  }

  /** The leader raises the limit, where it still is `max`. */
  moreIds(max: number): void {
    this.whenWriteable(() => {
      if (this.#maxGlobalId > max || this.#pending.some((c) => c.kind === GLOBAL_ID)) return;
      this.#pending.push({ kind: GLOBAL_ID, max: this.#maxGlobalId + this.#config.num('mon_globalid_prealloc') });
      this.submit();
    });
  }

  #serveIds(): void {
    const { rank, size } = this.#owner.share();
    // Another number of monitors divides the ids anew: what is left of the old ones is given up.
    if (this.#shareSize !== size) {
      if (this.#shareSize !== 0) this.#lastGlobalId = this.#maxGlobalId;
      this.#shareSize = size;
    }
    while (this.#waitingForIds.length > 0) {
      const next = this.#lastGlobalId + 1;
      const mine = next + ((((rank - next) % size) + size) % size);
      if (mine > this.#maxGlobalId) return;
      this.#lastGlobalId = mine;
      this.#waitingForIds.shift()!(BigInt(mine));
    }
  }

  // --- rotating keys

  override tick(): void {
    if (!this.isWriteable) return;
    const update = this.keyServer.prepareRotation();
    if (update === undefined) return;
    this.#push({ op: 'setRotating', update });
    this.submit();
  }

  // --- entities that other services make and remove

  /** Puts an entity into the pending change. */
  addEntity(name: string, auth: EntityAuth): void {
    this.#push({ op: 'add', name, auth });
  }

  /** False where there is none. */
  removeEntity(name: string): boolean {
    if (!this.keyServer.contains(name)) return false;
    this.#push({ op: 'del', name });
    return true;
  }

  registerCommands(commands: CommandRegistry): void {
    commands.read('auth get', ({ args, f }) => {
      const name = this.#entity(args.str('entity'));
      const auth = this.keyServer.get(name);
      if (auth === undefined) return failure('ENOENT', `failed to find ${name} in keyring`);
      return reply(formatKeyring(ring(name, auth), f), `exported keyring for ${name}`);
    });
    commands.read('auth export', ({ args, f }) => {
      const given = args.optionalStr('entity');
      if (given === undefined) return reply(formatKeyring(this.keyServer.export(), f), 'exported master keyring');
      const name = this.#entity(given);
      const auth = this.keyServer.get(name);
      if (auth === undefined) return failure('ENOENT', 'no key for auth(key=AAAAAAAAAAAAAAAA)');
      return reply(formatKeyring(ring(name, auth), f), `export auth(key=${auth.key.toBase64()})`);
    });
    for (const prefix of ['auth get-key', 'auth print-key', 'auth print_key']) {
      commands.read(prefix, ({ args, f }) => {
        const name = this.#entity(args.str('entity'));
        const auth = this.keyServer.get(name);
        if (auth === undefined) return failure('ENOENT', `don't have ${name}`);
        return reply(formatKey(auth.key, f));
      });
    }
    for (const prefix of ['auth ls', 'auth list']) {
      commands.read(prefix, ({ f }) => {
        const ring = this.keyServer.export();
        if (f !== undefined) {
          f.openObject('auth');
          f.openArray('auth_dump');
          for (const [name, auth] of ring.entries()) dumpEntity(f, name, auth);
          f.close();
          f.close();
          return reply(f.flush());
        }
        const text = ring
          .entries()
          .map(([name, auth]) => {
            const caps = sortedCaps(auth).map(([service, cap]) => `\tcaps: [${service}] ${cap}\n`);
            return `${name}\n\tkey: ${auth.key.toBase64()}\n${caps.join('')}`;
          })
          .join('');
        return reply(text, text === '' ? 'no installed auth entries!\n' : 'installed auth entries:\n');
      });
    }
    commands.write('auth add', this, (call) => this.#add(call));
    for (const prefix of ['auth get-or-create', 'auth get-or-create-key']) {
      commands.write(prefix, this, (call) => this.#getOrCreate(call));
    }
    commands.write('auth caps', this, ({ args }) => {
      const caps = readCaps(args.list('caps'));
      const name = this.#entity(args.str('entity'), 'bad entity name');
      const auth = this.keyServer.contains(name) ? this.keyServer.get(name) : undefined;
      if (auth === undefined) return failure('ENOENT', `couldn't find entry ${name}`);
      this.addEntity(name, { key: auth.key, caps });
      return committing(`updated caps for ${name}`);
    });
    for (const prefix of ['auth rm', 'auth del']) {
      commands.write(prefix, this, ({ args }) => {
        const name = this.#entity(args.str('entity'), 'bad entity name');
        return this.removeEntity(name) ? committing('updated') : done(`entity ${name} does not exist`);
      });
    }
    commands.write('auth import', this, ({ data }) => {
      if (data.length === 0) return failure('EINVAL', 'auth import: no data supplied');
      const ring = readKeyring(data);
      for (const [, auth] of ring.entries()) {
        if (auth.caps.size === 0) return failure('EINVAL', 'auth import: no caps supplied');
        for (const [service, cap] of auth.caps) requireCaps(service, cap);
      }
      for (const [name, auth] of ring.entries()) this.addEntity(name, auth);
      return committing('imported keyring');
    });
  }

  #entity(text: string, complaint = `invalid entity_auth ${text}`): string {
    const name = parseAuthName(text);
    if (name === undefined) throw new ErrnoError('EINVAL', complaint);
    return formatAuthName(name);
  }

  #add({ args, data }: CommandCall): CommandResult {
    let caps = readCaps(args.list('caps'));
    const name = this.#entity(args.str('entity'), 'bad entity name');
    let key: CryptoKey | undefined;
    if (data.length > 0) {
      const given = readKeyring(data).get(name);
      if (given === undefined) return failure('EINVAL', `key for ${name} not found in provided keyring`);
      if (caps.size > 0 && given.caps.size > 0) {
        return failure('EINVAL', 'caps cannot be specified both in keyring and in command');
      }
      if (caps.size === 0) caps = new Map(given.caps);
      for (const [service, cap] of caps) requireCaps(service, cap);
      key = given.key;
    }
    const existing = this.keyServer.get(name);
    if (existing !== undefined) {
      requireSame(name, existing, key, caps);
      return done('');
    }
    this.addEntity(name, { key: key ?? this.keyServer.generateKey(), caps });
    return committing(`added key for ${name}`);
  }

  #getOrCreate({ prefix, args, f }: CommandCall): CommandResult {
    const wanted = readCaps(args.list('caps'));
    const name = this.#entity(args.str('entity'), 'bad entity name');
    const existing = this.keyServer.get(name);
    for (const [service, cap] of existing === undefined ? [] : wanted) {
      if (existing!.caps.get(service) !== cap) {
        return failure('EINVAL', `key for ${name} exists but cap ${service} does not match`);
      }
    }
    const auth = existing ?? { key: this.keyServer.generateKey(), caps: wanted };
    // Plain output has the key alone, as a keyring file for its holder.
    const out = prefix.endsWith('-key')
      ? formatKey(auth.key, f)
      : formatKeyring(ring(name, f === undefined ? { key: auth.key, caps: new Map() } : auth), f);
    if (existing !== undefined) return reply(out);
    this.addEntity(name, auth);
    return committing('', out);
  }
}

const noEntropy: Entropy = {
  bytes: (length) => new Uint8Array(length),
  u32: () => 0,
  float: () => 0,
};

function ring(name: string, auth: EntityAuth): KeyRing {
  return new KeyRing(new Map([[name, auth]]));
}

function sortedCaps(auth: EntityAuth): [service: string, cap: string][] {
  return [...auth.caps].sort(([a], [b]) => (a < b ? -1 : 1));
}

function dumpEntity(f: Formatter, name: string, auth: EntityAuth): void {
  f.openObject('auth_entities');
  f.string('entity', name);
  f.string('key', auth.key.toBase64());
  f.openObject('caps');
  for (const [service, cap] of sortedCaps(auth)) f.string(service, cap);
  f.close();
  f.close();
}

function formatKeyring(ring: KeyRing, f: Formatter | undefined): string {
  if (f === undefined) return ring.format();
  f.openArray('auth');
  for (const [name, auth] of ring.entries()) dumpEntity(f, name, auth);
  f.close();
  return f.flush();
}

function formatKey(key: CryptoKey, f: Formatter | undefined): string {
  if (f === undefined) return key.toBase64();
  f.openObject('auth');
  f.string('key', key.toBase64());
  f.close();
  return f.flush();
}

function readKeyring(data: Uint8Array): KeyRing {
  try {
    return KeyRing.parse(data, 'input');
  } catch (error) {
    if (error instanceof ErrnoError) throw new ErrnoError('EINVAL', 'error decoding keyring');
    throw error;
  }
}

function requireCaps(service: string, cap: string): void {
  const problem = capsProblem(service, cap);
  if (problem !== undefined) throw new ErrnoError('EINVAL', problem);
}

/** `mon 'allow r' osd 'allow rw'`: pairs of service and caps. @throws ErrnoError EINVAL */
export function readCaps(words: readonly string[]): Map<string, string> {
  if (words.length % 2 !== 0) throw new ErrnoError('EINVAL', 'bad capabilities request; odd number of arguments');
  const caps = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) {
    requireCaps(words[i]!, words[i + 1]!);
    caps.set(words[i]!, words[i + 1]!);
  }
  return caps;
}

/** @throws ErrnoError where an entity that exists differs from what was asked for */
export function requireSame(
  name: string,
  existing: EntityAuth,
  key: CryptoKey | undefined,
  caps: ReadonlyMap<string, string>,
): void {
  if (key !== undefined && !existing.key.equals(key)) {
    throw new ErrnoError('EEXIST', `entity ${name} exists but key does not match`);
  }
  if (caps.size !== existing.caps.size) throw new ErrnoError('EINVAL', `entity ${name} exists but caps do not match`);
  for (const [service, cap] of caps) {
    if (existing.caps.get(service) !== cap) {
      throw new ErrnoError('EINVAL', `entity ${name} exists but cap ${service} does not match`);
    }
  }
}
