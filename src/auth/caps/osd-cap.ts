import { ErrnoError } from '../../base/index.ts';
import type { EntityAddr } from '../../types/index.ts';
import { type NetworkRange, networkAllows, parseNetwork } from './network.ts';
import { parseGrants, Scanner } from './scanner.ts';

/** Bits of a grant (osd/OSDCap.h). */
export const osdCapBits = { R: 2, W: 4, CLASS_R: 8, CLASS_W: 16, X: 24, ANY: 0xff } as const;
const { R, W, CLASS_R, CLASS_W, X, ANY } = osdCapBits;

/** Which objects a grant is for. Empty texts and undefined mean any. */
interface Match {
  readonly pool: string;
  /** Exactly this namespace, or those that begin with what stands before a final `*`. */
  readonly nspace: string | undefined;
  readonly objectPrefix: string;
  readonly tag: { readonly application: string; readonly key: string; readonly value: string } | undefined;
}

const anything: Match = { pool: '', nspace: undefined, objectPrefix: '', tag: undefined };

/** One grant of osd caps. */
export interface OsdCapGrant {
  readonly match: Match;
  /** Mask of {@link osdCapBits}. */
  readonly allow: number;
  /** A class (and method, unless empty) that may be called whatever it does. */
  readonly className: string;
  readonly methodName: string;
  /** What a profile grants; the fields above do not count then. */
  readonly profile: { readonly name: string; readonly grants: readonly OsdCapGrant[] } | undefined;
  readonly network: string;
  readonly networkRange: NetworkRange | undefined;
}

const blank: OsdCapGrant = {
  match: anything,
  allow: 0,
  className: '',
  methodName: '',
  profile: undefined,
  network: '',
  networkRange: undefined,
};

/** A class method that an operation calls. */
export interface OsdClassCall {
  readonly className: string;
  readonly methodName: string;
  readonly read: boolean;
  readonly write: boolean;
  /** Whether the class is on the list of those that `x` and `class-*` allow (osd_class_default_list). */
  readonly allowed: boolean;
}

/** Application metadata of a pool: application -> key -> value. */
export type PoolApplications = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** What an operation at an OSD needs. */
export interface OsdCapRequest {
  readonly pool: string;
  readonly nspace: string;
  readonly applications: PoolApplications;
  readonly object: string;
  readonly read: boolean;
  readonly write: boolean;
  readonly classes: readonly OsdClassCall[];
  readonly addr: EntityAddr;
}

function nspaceMatches(wanted: string, nspace: string): boolean {
  return wanted.endsWith('*') && nspace.startsWith(wanted.slice(0, -1)) ? true : wanted === nspace;
}

function tagMatches(tag: NonNullable<Match['tag']>, applications: PoolApplications): boolean {
  const values = applications.get(tag.application);
  if (values === undefined) return false;
  if (tag.key === '*') {
    if (tag.value === '*') return true;
    for (const value of values.values()) if (value === tag.value) return true;
    return false;
  }
  const value = values.get(tag.key);
  return value !== undefined && (tag.value === '*' || value === tag.value);
}

function matches(m: Match, q: OsdCapRequest): boolean {
  if (m.pool !== '' && m.pool !== q.pool) return false;
  if (m.nspace !== undefined && !nspaceMatches(m.nspace, q.nspace)) return false;
  if (m.tag !== undefined && !tagMatches(m.tag, q.applications)) return false;
  return m.objectPrefix === '' || q.object.startsWith(m.objectPrefix);
}

function matchesAll(m: Match): boolean {
  return m.pool === '' && m.nspace === undefined && m.tag === undefined && m.objectPrefix === '';
}

function allowsAll(g: OsdCapGrant): boolean {
  return g.profile !== undefined ? g.profile.grants.some(allowsAll) : g.allow === ANY && matchesAll(g.match);
}

/** `granted`: which of the calls some grant has allowed so far; grants add up over the calls of one operation. */
function isCapable(g: OsdCapGrant, q: OsdCapRequest, granted: boolean[]): boolean {
  if (!networkAllows(g.network, g.networkRange, q.addr)) return false;
  if (g.profile !== undefined) return g.profile.grants.some((inner) => isCapable(inner, q, granted));
  if (!matches(g.match, q)) return false;
  if ((q.read && (g.allow & R) === 0) || (q.write && (g.allow & W) === 0)) return false;
  if (q.classes.length === 0 || g.allow === ANY) return true;
  for (let i = 0; i < q.classes.length; i++) {
    if (granted[i] !== true && allowsCall(g, q.classes[i]!)) granted[i] = true;
  }
  for (let i = 0; i < q.classes.length; i++) if (granted[i] !== true) return false;
  return true;
}

function allowsCall(g: OsdCapGrant, call: OsdClassCall): boolean {
  if (g.className !== '' && g.className === call.className) {
    if (g.methodName === '' || g.methodName === call.methodName) return true;
  }
  if (!call.allowed) return false;
  return (!call.read || (g.allow & CLASS_R) !== 0) && (!call.write || (g.allow & CLASS_W) !== 0);
}

/** OSD caps of a session. */
export class OsdCap {
  readonly text: string;
  readonly grants: readonly OsdCapGrant[];
  /** Whether it allows everything, from everywhere: spares the check of each operation. */
  readonly isAllowAll: boolean;

  constructor(text: string, grants: readonly OsdCapGrant[]) {
    this.text = text;
    this.grants = grants;
    this.isAllowAll = grants.some((g) => allowsAll(g) && g.network === '');
  }

  static readonly none = new OsdCap('', []);
  static readonly allowAll = new OsdCap('allow *', [{ ...blank, allow: ANY }]);

  /** EINVAL with Ceph's sentence where the text is no osd caps. */
  static parse(text: string): OsdCap {
    const s = new Scanner(text);
    const grants = parseGrants(s, () => parseGrant(s), /[;,]/y);
    if (grants !== undefined) {
      s.match(/\s*/y);
      if (s.isAtEnd) return new OsdCap(text, grants);
    }
    throw new ErrnoError('EINVAL', `osd capability parse failed, stopped at '${s.rest}' of '${text}'`);
  }

  isCapable(q: OsdCapRequest): boolean {
    if (this.isAllowAll) return true;
    const granted: boolean[] = [];
    for (const g of this.grants) if (isCapable(g, q, granted)) return true;
    return false;
  }
}

/** What the named profiles grant (OSDCapGrant::expand_profile). An unknown one grants nothing. */
function expandProfile(name: string, pool: string, nspace: string | undefined): OsdCapGrant[] {
  const here: Match = { ...anything, pool, nspace };
  const object = (objectPrefix: string): Match => ({ ...anything, objectPrefix });
  switch (name) {
    case 'read-only':
      return [{ ...blank, match: here, allow: R }];
    case 'read-write':
      return [{ ...blank, match: here, allow: R | W }];
    case 'rbd':
      return [
        { ...blank, match: object('rbd_info'), allow: R },
        { ...blank, match: object('rbd_children'), allow: CLASS_R },
        { ...blank, match: object('rbd_mirroring'), allow: CLASS_R },
        { ...blank, match: { ...anything, pool }, className: 'rbd', methodName: 'metadata_list' },
        { ...blank, match: here, allow: R | W | X },
      ];
    case 'rbd-read-only': {
      const header: Match = { ...here, objectPrefix: 'rbd_header.' };
      return [
        { ...blank, match: here, allow: R | CLASS_R },
        { ...blank, match: header, className: 'rbd', methodName: 'child_attach' },
        { ...blank, match: header, className: 'rbd', methodName: 'child_detach' },
      ];
    }
    default:
      return [];
  }
}

const SPACES = /\s+/y;
const EQUALS_OR_SPACES = /=|\s+/y;

/** ` <what>[=| ]` and then what `value` reads. */
function setting<T>(s: Scanner, what: string, value: () => T | undefined): T | undefined {
  return s.attempt(() =>
    s.match(SPACES) !== undefined && s.literal(what) && s.match(EQUALS_OR_SPACES) !== undefined ? value() : undefined,
  );
}

function wildcardOrWord(s: Scanner): string | undefined {
  return s.literal('*') || s.literal('all') ? '*' : s.word();
}

function parsePool(s: Scanner): string {
  return setting(s, 'pool', () => s.word()) ?? '';
}

function parseNspace(s: Scanner): string | undefined {
  return setting(s, 'namespace', () => {
    const name = s.word(true);
    return name === undefined ? undefined : name + (s.literal('*') ? '*' : '');
  });
}

function parseTag(s: Scanner): Match['tag'] {
  return s.attempt(() => {
    if (s.match(SPACES) === undefined || !s.literal('tag') || s.match(SPACES) === undefined) return undefined;
    const application = s.word();
    if (application === undefined || s.match(SPACES) === undefined) return undefined;
    const key = wildcardOrWord(s);
    if (key === undefined || s.match(/\s*=\s*/y) === undefined) return undefined;
    const value = wildcardOrWord(s);
    return value === undefined ? undefined : { application, key, value };
  });
}

/** Never fails: it may match nothing and mean everything. */
function parseMatch(s: Scanner): Match {
  const tagged = s.first<Match>(
    () => {
      const tag = parseTag(s);
      return tag === undefined ? undefined : { ...anything, tag };
    },
    () => {
      const nspace = parseNspace(s);
      const tag = nspace === undefined ? undefined : parseTag(s);
      return tag === undefined ? undefined : { ...anything, nspace, tag };
    },
  );
  if (tagged !== undefined) return tagged;
  const pool = parsePool(s);
  const nspace = parseNspace(s);
  const objectPrefix = s.attempt(() =>
    s.match(SPACES) !== undefined && s.literal('object_prefix') && s.match(SPACES) !== undefined ? s.word() : undefined,
  );
  return { pool, nspace, objectPrefix: objectPrefix ?? '', tag: undefined };
}

type Spec = Pick<OsdCapGrant, 'allow' | 'className' | 'methodName'>;

function parseRwx(s: Scanner): number | undefined {
  const any = s.attempt(() =>
    s.match(SPACES) !== undefined && (s.literal('*') || s.literal('all')) ? true : undefined,
  );
  if (any === true) return ANY;
  let bits = 0;
  s.attempt(() => {
    s.match(SPACES);
    const letters = s.match(/r?w?x?/y) ?? '';
    if (letters.includes('r')) bits |= R;
    if (letters.includes('w')) bits |= W;
    if (letters.includes('x')) bits |= X;
    return letters === '' ? undefined : letters;
  });
  if (s.match(/\s+class-read/y) !== undefined) bits |= CLASS_R;
  if (s.match(/\s+class-write/y) !== undefined) bits |= CLASS_W;
  return bits === 0 ? undefined : bits;
}

function parseSpec(s: Scanner): Spec | undefined {
  const allow = parseRwx(s);
  if (allow !== undefined) return { allow, className: '', methodName: '' };
  return s.attempt(() => {
    if (s.match(SPACES) === undefined || !s.literal('class') || s.match(SPACES) === undefined) return undefined;
    const className = s.word();
    if (className === undefined) return undefined;
    const methodName = s.attempt(() => (s.match(SPACES) === undefined ? undefined : s.word()));
    return { allow: 0, className, methodName: methodName ?? '' };
  });
}

function parseGrant(s: Scanner): OsdCapGrant | undefined {
  s.match(/[ \t]*/y);
  const g = s.first<Partial<OsdCapGrant>>(
    () => {
      const spec = s.literal('allow') ? parseSpec(s) : undefined;
      return spec === undefined ? undefined : { ...spec, match: parseMatch(s) };
    },
    () => {
      if (!s.literal('allow')) return undefined;
      const match = parseMatch(s);
      const spec = parseSpec(s);
      return spec === undefined ? undefined : { ...spec, match };
    },
    () => {
      if (!s.literal('profile') || s.match(EQUALS_OR_SPACES) === undefined) return undefined;
      const name = s.word();
      if (name === undefined) return undefined;
      const pool = parsePool(s);
      return { profile: { name, grants: expandProfile(name, pool, parseNspace(s)) } };
    },
  );
  if (g === undefined) return undefined;
  const network = s.network(SPACES);
  s.match(/[ \t]*/y);
  return { ...blank, ...g, network, networkRange: parseNetwork(network) };
}
