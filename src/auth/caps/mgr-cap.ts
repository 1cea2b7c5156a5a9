import { ErrnoError } from '../../base/index.ts';
import type { EntityAddr } from '../../types/index.ts';
import {
  type CommandArgs,
  type Constraints,
  constraintsHold,
  maybeQuote,
  noConstraints,
  parseConstraints,
} from './constraint.ts';
import { capBits, formatCapBits, parseRwx } from './mon-cap.ts';
import { type NetworkRange, networkAllows, parseNetwork } from './network.ts';
import { parseGrants, Scanner } from './scanner.ts';

const { R, W, X, ANY } = capBits;
const NO_ARGS: CommandArgs = new Map();

/** One grant of mgr caps. At most one of service, module, profile and command is set. */
export interface MgrCapGrant {
  readonly service: string;
  readonly module: string;
  readonly profile: string;
  readonly command: string;
  readonly args: Constraints;
  /** Mask of capBits. */
  readonly allow: number;
  readonly network: string;
  readonly networkRange: NetworkRange | undefined;
  /** What the profile grants. */
  readonly profileGrants: readonly MgrCapGrant[];
}

const blank: MgrCapGrant = {
  service: '',
  module: '',
  profile: '',
  command: '',
  args: noConstraints,
  allow: 0,
  network: '',
  networkRange: undefined,
  profileGrants: [],
};

/** Grants of a profile (MgrCapGrant::expand_profile, mgr/MgrCap.cc), or what is wrong with it. */
function expandProfile(profile: string, args: Constraints): MgrCapGrant[] | string {
  switch (profile) {
    case 'read-only':
      return [{ ...blank, allow: R }];
    case 'read-write':
      return [{ ...blank, allow: R | W }];
    case 'crash':
      return [{ ...blank, command: 'crash post' }];
    case 'osd':
    case 'mds':
      return [];
    case 'rbd':
    case 'rbd-read-only': {
      for (const name of [...args.keys()].sort()) {
        if (name !== 'pool' && name !== 'namespace') return `profile '${profile}' does not recognize key '${name}'`;
      }
      return [{ ...blank, module: 'rbd_support', args, allow: profile === 'rbd' ? R | W : R }];
    }
    default:
      return `unrecognized profile '${profile}'`;
  }
}

/** What a command or a module's operation at a manager needs. */
export interface MgrCapRequest {
  readonly addr: EntityAddr;
  readonly service?: string;
  readonly module?: string;
  readonly command?: string;
  readonly args?: CommandArgs;
  readonly read?: boolean;
  readonly write?: boolean;
  readonly exec?: boolean;
}

function grantedBits(g: MgrCapGrant, q: MgrCapRequest): number {
  const args = q.args ?? NO_ARGS;
  const command = q.command ?? '';
  if (g.profile !== '') return g.profileGrants.reduce((bits, inner) => bits | grantedBits(inner, q), 0);
  if (g.service !== '') return g.service === (q.service ?? '') ? g.allow : 0;
  if (g.module !== '') {
    if (g.module !== (q.module ?? '')) return 0;
    // A module's own command checks its arguments itself.
    return command !== '' || constraintsHold(g.args, args) ? g.allow : 0;
  }
  if (g.command !== '') return g.command === command && constraintsHold(g.args, args) ? ANY : 0;
  return g.allow;
}

function isAllowAll(g: MgrCapGrant): boolean {
  return g.allow === ANY && g.service === '' && g.module === '' && g.profile === '' && g.command === '';
}

/** Mgr caps of a session. */
export class MgrCap {
  readonly text: string;
  readonly grants: readonly MgrCapGrant[];

  constructor(text: string, grants: readonly MgrCapGrant[]) {
    this.text = text;
    this.grants = grants;
  }

  static readonly none = new MgrCap('', []);
  static readonly allowAll = new MgrCap('allow *', [{ ...blank, allow: ANY }]);

  /** EINVAL with Ceph's sentence where the text is no mgr caps. */
  static parse(text: string): MgrCap {
    const s = new Scanner(text);
    const grants = parseGrants(s, () => parseGrant(s), /[ ]*[;,][ ]*/y);
    if (grants === undefined || !s.isAtEnd) {
      const where = s.isAtEnd ? `end of '${text}'` : `'${s.rest}' of '${text}'`;
      throw new ErrnoError('EINVAL', `mgr capability parse failed, stopped at ${where}`);
    }
    let problems = '';
    const expanded = grants.map((g) => {
      if (g.profile === '') return g;
      const profileGrants = expandProfile(g.profile, g.args);
      if (typeof profileGrants !== 'string') return { ...g, profileGrants };
      problems += profileGrants;
      return g;
    });
    if (problems !== '') {
      throw new ErrnoError('EINVAL', `mgr capability parse failed during profile evaluation: ${problems}`);
    }
    return new MgrCap(text, expanded);
  }

  get isAllowAll(): boolean {
    return this.grants.some(isAllowAll);
  }

  isCapable(q: MgrCapRequest): boolean {
    const need = (q.read ? R : 0) | (q.write ? W : 0) | (q.exec ? X : 0);
    let bits = 0;
    for (const g of this.grants) {
      if (!networkAllows(g.network, g.networkRange, q.addr)) continue;
      if (isAllowAll(g)) return true;
      bits |= grantedBits(g, q);
      if ((bits & need) === need) return true;
    }
    return false;
  }

  toString(): string {
    return this.grants.map(formatGrant).join(', ');
  }
}

function formatGrant(g: MgrCapGrant): string {
  let text = g.profile !== '' ? `profile ${maybeQuote(g.profile)}` : 'allow';
  if (g.service !== '') text += ` service ${maybeQuote(g.service)}`;
  else if (g.module !== '') text += ` module ${maybeQuote(g.module)}`;
  else if (g.command !== '') text += ` command ${maybeQuote(g.command)}`;
  if (g.args.size > 0) text += g.profile === '' ? ' with' : '';
  for (const [name, { kind, value }] of g.args) {
    text += ` ${maybeQuote(name)}${kind === 'equal' ? '=' : ` ${kind} `}${maybeQuote(value)}`;
  }
  if (g.allow !== 0) text += ` ${formatCapBits(g.allow)}`;
  return g.network === '' ? text : `${text} network ${g.network}`;
}

const SPACES = /[ \n\t]+/y;
const MAYBE_SPACES = /[ \n\t]*/y;
const EQUALS_OR_SPACES = /=|[ \n\t]+/y;

function parseWith(s: Scanner): Constraints {
  return (
    s.attempt(() =>
      s.match(SPACES) !== undefined && s.literal('with') && s.match(SPACES) !== undefined
        ? parseConstraints(s, true)
        : undefined,
    ) ?? noConstraints
  );
}

function parseAllowed(s: Scanner, what: string): string | undefined {
  if (!s.literal('allow') || s.match(SPACES) === undefined) return undefined;
  if (!s.literal(what) || s.match(EQUALS_OR_SPACES) === undefined) return undefined;
  return s.word();
}

function parseGrant(s: Scanner): MgrCapGrant | undefined {
  s.match(MAYBE_SPACES);
  const g = s.first<Partial<MgrCapGrant>>(
    () => {
      if (!s.literal('allow') || s.match(SPACES) === undefined) return undefined;
      const allow = parseRwx(s);
      return allow === undefined ? undefined : { allow };
    },
    () => {
      s.attempt(() => (s.literal('allow') ? s.match(SPACES) : undefined));
      if (!s.literal('profile') || s.match(EQUALS_OR_SPACES) === undefined) return undefined;
      const profile = s.word();
      if (profile === undefined) return undefined;
      const args = s.attempt(() => (s.match(SPACES) === undefined ? undefined : parseConstraints(s, true)));
      return { profile, args: args ?? noConstraints };
    },
    () => {
      const service = parseAllowed(s, 'service');
      if (service === undefined || s.match(SPACES) === undefined) return undefined;
      const allow = parseRwx(s);
      return allow === undefined ? undefined : { service, allow };
    },
    () => {
      const module = parseAllowed(s, 'module');
      if (module === undefined) return undefined;
      const args = parseWith(s);
      if (s.match(SPACES) === undefined) return undefined;
      const allow = parseRwx(s);
      return allow === undefined ? undefined : { module, args, allow };
    },
    () => {
      const command = parseAllowed(s, 'command');
      return command === undefined ? undefined : { command, args: parseWith(s) };
    },
  );
  if (g === undefined) return undefined;
  const network = s.network(SPACES);
  s.match(MAYBE_SPACES);
  return { ...blank, ...g, network, networkRange: parseNetwork(network) };
}
