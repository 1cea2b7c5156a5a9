import { ErrnoError } from '../../base/index.ts';
import { type Codec, string, struct } from '../../encoding/index.ts';
import { type AuthName, type EntityAddr, formatAuthName } from '../../types/index.ts';
import {
  type CommandArgs,
  type Constraint,
  type Constraints,
  constraintsHold,
  maybeQuote,
  noConstraints,
  parseConstraints,
} from './constraint.ts';
import { type NetworkRange, networkAllows, parseNetwork } from './network.ts';
import { parseGrants, Scanner } from './scanner.ts';

/** Bits of a grant. */
export const capBits = { R: 2, W: 4, X: 8, ALL: 14, ANY: 0xff } as const;
const { R, W, X, ALL, ANY } = capBits;

const NO_ARGS: CommandArgs = new Map();

/**
 * One grant of mon caps. Exactly one of service, profile and command is set, or none for a blanket grant.
 */
export interface MonCapGrant {
  readonly service: string;
  readonly profile: string;
  readonly command: string;
  readonly args: Constraints;
  /** Mask of {@link capBits}. */
  readonly allow: number;
  /** `10.0.0.0/8`, or empty. */
  readonly network: string;
  readonly networkRange: NetworkRange | undefined;
  /** Limits what is shown of file systems. */
  readonly fsName: string;
}

const blank: MonCapGrant = {
  service: '',
  profile: '',
  command: '',
  args: noConstraints,
  allow: 0,
  network: '',
  networkRange: undefined,
  fsName: '',
};

function service(name: string, allow: number): MonCapGrant {
  return { ...blank, service: name, allow };
}

function command(name: string, args: Record<string, Constraint> = {}): MonCapGrant {
  return { ...blank, command: name, args: new Map(Object.entries(args)) };
}

const equal = (value: string): Constraint => ({ kind: 'equal', value });
const prefix = (value: string): Constraint => ({ kind: 'prefix', value });
const regex = (value: string): Constraint => ({ kind: 'regex', value });

const ADDR_WITH_NONCE = regex('^[^/]+/[0-9]+$');
const reading = (...services: string[]): MonCapGrant[] => services.map((s) => service(s, R));
const BLOCKLIST_ADD = command('osd blocklist', { blocklistop: equal('add'), addr: ADDR_WITH_NONCE });
const BLACKLIST_ADD = command('osd blacklist', { blacklistop: equal('add'), addr: ADDR_WITH_NONCE });
const RBD_BASE = [...reading('mon', 'osd', 'pg'), BLOCKLIST_ADD, BLACKLIST_ADD];
const RBD_OSD_CAPS = '^([ ,]*profile(=|[ ]+)[\'"]?rbd[^ ,\'"]*[\'"]?([ ]+pool(=|[ ]+)[\'"]?[^,\'"]+[\'"]?)?)+$';

function bootstrapRbd(monProfile: string): MonCapGrant[] {
  return [
    service('mon', R),
    command('auth get-or-create', {
      entity: prefix('client.'),
      caps_mon: equal(monProfile),
      caps_osd: regex(RBD_OSD_CAPS),
    }),
  ];
}

function bootstrap(entity: string, caps: Record<string, string>): MonCapGrant[] {
  const args: Record<string, Constraint> = { entity: prefix(entity) };
  for (const [name, value] of Object.entries(caps)) args[name] = equal(value);
  return [...reading('mon', 'osd'), command('mon getmap'), command('auth get-or-create', args)];
}

/** What the named profiles grant (MonCapGrant::expand_profile, mon/MonCap.cc). */
const PROFILES: ReadonlyMap<string, readonly MonCapGrant[]> = new Map(
  Object.entries({
    'read-only': [{ ...blank, allow: R }],
    'read-write': [{ ...blank, allow: R | W }],
    mon: [service('mon', ALL), service('log', ALL)],
    osd: [
      service('osd', ALL),
      service('mon', R),
      service('pg', R | W),
      service('log', W),
      command('config set', { name: regex('osd_mclock_max_capacity_iops_(hdd|ssd)') }),
    ],
    mds: [
      service('mds', ALL),
      ...reading('mon', 'osd'),
      command('osd pool rmsnap'),
      command('osd blocklist'),
      command('osd blacklist'),
      service('log', W),
    ],
    mgr: [
      service('mgr', ALL),
      ...['log', 'mon', 'mds', 'fs', 'osd'].map((s) => service(s, R | W)),
      service('auth', R | W | X),
      service('config-key', R | W),
      service('config', R | W),
      ...['auth get-or-create', 'auth caps', 'auth rm', 'smart'].map((c) => command(c)),
    ],
    'bootstrap-osd': [...reading('mon', 'osd'), command('mon getmap'), command('osd new'), command('osd purge-new')],
    'bootstrap-mds': bootstrap('mds.', {
      caps_mon: 'allow profile mds',
      caps_osd: 'allow rwx',
      caps_mds: 'allow',
    }),
    'bootstrap-mgr': bootstrap('mgr.', { caps_mon: 'allow profile mgr' }),
    'bootstrap-rgw': bootstrap('client.rgw.', { caps_mon: 'allow rw', caps_osd: 'allow rwx' }),
    'bootstrap-rbd': bootstrapRbd('profile rbd'),
    'bootstrap-rbd-mirror': bootstrapRbd('profile rbd-mirror'),
    'fs-client': reading('mon', 'mds', 'osd', 'pg'),
    'simple-rados-client': reading('mon', 'osd', 'pg'),
    'simple-rados-client-with-blocklist': [...reading('mon', 'osd', 'pg'), BLOCKLIST_ADD],
    'rbd-mirror': [...RBD_BASE, command('config-key get', { key: prefix('rbd/mirror/') })],
    'rbd-mirror-peer': [
      ...RBD_BASE,
      command('config-key get', { key: regex('rbd/mirror/[^/]+') }),
      command('config-key set', { key: prefix('rbd/mirror/peer/') }),
    ],
    crash: [service('mon', R)],
    'cephfs-mirror': [
      ...reading('mon', 'mds', 'osd', 'pg'),
      command('config-key get', { key: prefix('cephfs/mirror/peer/') }),
    ],
    'role-definer': [service('mon', R), service('auth', ALL)],
  }),
);

const DAEMON_PROFILES = new Set(['osd', 'mds', 'mon', 'mgr']);

/** Grants of a profile; of daemons also those on the keys of their own. An unknown profile grants nothing. */
function profileGrants(profile: string, name: AuthName): readonly MonCapGrant[] {
  const grants = PROFILES.get(profile) ?? (profile.startsWith('rbd') ? RBD_BASE : []);
  if (!DAEMON_PROFILES.has(profile)) return grants;
  const own = { key: prefix(`daemon-private/${formatAuthName(name)}/`) };
  return [...grants, ...['get', 'put', 'set', 'exists', 'delete'].map((verb) => command(`config-key ${verb}`, own))];
}

function grantedBits(g: MonCapGrant, name: AuthName, toService: string, toCommand: string, args: CommandArgs): number {
  if (g.profile !== '') {
    let bits = 0;
    for (const inner of profileGrants(g.profile, name)) bits |= grantedBits(inner, name, toService, toCommand, args);
    return bits;
  }
  if (g.service !== '') return g.service === toService ? g.allow : 0;
  if (g.command !== '') return g.command === toCommand && constraintsHold(g.args, args) ? ALL : 0;
  // Blanket grants do not reach the key store; only `allow *` does.
  return toService === 'config-key' ? 0 : g.allow;
}

function isAllowAll(g: MonCapGrant): boolean {
  return g.allow === ANY && g.service === '' && g.profile === '' && g.command === '' && g.fsName === '';
}

/** What an operation at a monitor needs. */
export interface MonCapRequest {
  /** Who asks. */
  readonly name: AuthName;
  /** Where from. */
  readonly addr: EntityAddr;
  readonly service: string;
  /** A command's prefix, or empty. */
  readonly command?: string;
  readonly args?: CommandArgs;
  readonly read?: boolean;
  readonly write?: boolean;
  readonly exec?: boolean;
}

/** Mon caps of a session. */
export class MonCap {
  readonly text: string;
  readonly grants: readonly MonCapGrant[];

  constructor(text: string, grants: readonly MonCapGrant[]) {
    this.text = text;
    this.grants = grants;
  }

  static readonly none = new MonCap('', []);
  static readonly allowAll = new MonCap('allow *', [{ ...blank, allow: ANY }]);

  /** EINVAL with Ceph's sentence where the text is no mon caps. */
  static parse(text: string): MonCap {
    const s = new Scanner(text);
    const grants = parseGrants(s, () => parseGrant(s), /[ ]*[;,][ ]*/y);
    if (grants !== undefined && s.isAtEnd) return new MonCap(text, grants);
    const where = s.isAtEnd ? `end of '${text}'` : `'${s.rest}' of '${text}'`;
    throw new ErrnoError('EINVAL', `mon capability parse failed, stopped at ${where}`);
  }

  get isAllowAll(): boolean {
    return this.grants.some(isAllowAll);
  }

  isCapable(q: MonCapRequest): boolean {
    const need = (q.read ? R : 0) | (q.write ? W : 0) | (q.exec ? X : 0);
    let bits = 0;
    for (const g of this.grants) {
      if (!networkAllows(g.network, g.networkRange, q.addr)) continue;
      if (isAllowAll(g)) return true;
      bits |= grantedBits(g, q.name, q.service, q.command ?? '', q.args ?? NO_ARGS);
      if ((bits & need) === need) return true;
    }
    return false;
  }

  /** File systems the session is limited to; empty for all. */
  get allowedFsNames(): string[] {
    return this.grants.every((g) => g.fsName !== '') ? this.grants.map((g) => g.fsName) : [];
  }

  /** Whether the session may do `mask` to a file system of that name. */
  isFsCapable(name: AuthName, fsName: string, mask: number): boolean {
    return this.grants.some(
      (g) =>
        isAllowAll(g) ||
        ((g.fsName === '' || g.fsName === fsName) && (g.allow & mask) !== 0) ||
        (g.profile !== '' &&
          profileGrants(g.profile, name).some(
            (p) => (p.service === 'fs' || p.service === 'mds') && (p.allow & mask) !== 0,
          )),
    );
  }

  toString(): string {
    return this.grants.map(formatGrant).join(', ');
  }
}

export function formatCapBits(bits: number): string {
  if (bits === ANY) return '*';
  return `${bits & R ? 'r' : ''}${bits & W ? 'w' : ''}${bits & X ? 'x' : ''}`;
}

function formatGrant(g: MonCapGrant): string {
  let text = 'allow';
  if (g.service !== '') text += ` service ${maybeQuote(g.service)}`;
  if (g.command !== '') {
    text += ` command ${maybeQuote(g.command)}`;
    if (g.args.size > 0) text += ' with';
    for (const [name, { kind, value }] of g.args) {
      text += ` ${maybeQuote(name)}${kind === 'equal' ? '=' : ` ${kind} `}${maybeQuote(value)}`;
    }
  }
  if (g.profile !== '') text += ` profile ${maybeQuote(g.profile)}`;
  if (g.allow !== 0) text += ` ${formatCapBits(g.allow)}`;
  if (g.network !== '') text += ` network ${g.network}`;
  return text;
}

const SPACES = /[ \n\t]+/y;
const MAYBE_SPACES = /[ \n\t]*/y;
const EQUALS_OR_SPACES = /=|[ \n\t]+/y;

/** `*`, `all`, or letters of rwx in that order; may match nothing. */
export function parseRwx(s: Scanner): number | undefined {
  if (s.literal('*') || s.literal('all')) return ANY;
  const letters = s.match(/r?w?x?/y);
  if (letters === undefined || letters === '') return undefined;
  return (letters.includes('r') ? R : 0) | (letters.includes('w') ? W : 0) | (letters.includes('x') ? X : 0);
}

function parseGrant(s: Scanner): MonCapGrant | undefined {
  s.match(MAYBE_SPACES);
  const g = s.first<Partial<MonCapGrant>>(
    () => {
      if (!s.literal('allow') || s.match(SPACES) === undefined) return undefined;
      const allow = parseRwx(s);
      if (allow === undefined) return undefined;
      const network = s.network(SPACES);
      const fsName = s.attempt(() =>
        s.match(SPACES) !== undefined && s.literal('fsname') && s.match(EQUALS_OR_SPACES) !== undefined
          ? s.match(/[a-zA-Z0-9_.-]+/y)
          : undefined,
      );
      return { allow, network, fsName: fsName ?? '' };
    },
    () => {
      s.attempt(() => (s.literal('allow') ? s.match(SPACES) : undefined));
      if (!s.literal('profile') || s.match(EQUALS_OR_SPACES) === undefined) return undefined;
      const profile = s.word();
      return profile === undefined ? undefined : { profile, network: s.network(SPACES) };
    },
    () => {
      const name = parseAllowed(s, 'service');
      if (name === undefined || s.match(SPACES) === undefined) return undefined;
      const allow = parseRwx(s);
      return allow === undefined ? undefined : { service: name, allow, network: s.network(SPACES) };
    },
    () => {
      const name = parseAllowed(s, 'command');
      if (name === undefined) return undefined;
      const args = s.attempt(() =>
        s.match(SPACES) !== undefined && s.literal('with') && s.match(SPACES) !== undefined
          ? parseConstraints(s, false)
          : undefined,
      );
      return { command: name, args: args ?? noConstraints, network: s.network(SPACES) };
    },
  );
  if (g === undefined) return undefined;
  s.match(MAYBE_SPACES);
  return { ...blank, ...g, networkRange: parseNetwork(g.network ?? '') };
}

/** `allow <what>[=| ]<word>`. */
function parseAllowed(s: Scanner, what: string): string | undefined {
  if (!s.literal('allow') || s.match(SPACES) === undefined) return undefined;
  if (!s.literal(what) || s.match(EQUALS_OR_SPACES) === undefined) return undefined;
  return s.word();
}

const wire = struct('MonCap', { version: 4, compat: 4 }, { text: string });

/** The encoded form, as sessions travel between monitors (MForward). Unparseable text decodes to caps that allow nothing, as in Ceph. */
export const monCap: Codec<MonCap> = {
  name: 'MonCap',
  length_min: 6,
  encode: (w, cap) => wire.encode(w, { text: cap.text }),
  decode(r) {
    const { text } = wire.decode(r);
    try {
      return MonCap.parse(text);
    } catch (error) {
      if (error instanceof ErrnoError) return new MonCap(text, []);
      throw error;
    }
  },
};
