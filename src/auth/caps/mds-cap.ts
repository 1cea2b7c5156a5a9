import { ErrnoError } from '../../base/index.ts';
import { type NetworkRange, parseNetwork } from './network.ts';
import { parseGrants, Scanner } from './scanner.ts';

/** One grant of mds caps. Empty texts and undefined mean any. */
export interface MdsCapGrant {
  /** `*` or letters of rwfps. */
  readonly spec: string;
  readonly path: string;
  readonly fsName: string;
  readonly rootSquash: boolean;
  readonly uid: number | undefined;
  readonly gids: readonly number[];
  readonly network: string;
  readonly networkRange: NetworkRange | undefined;
}

const blank: MdsCapGrant = {
  spec: '',
  path: '',
  fsName: '',
  rootSquash: false,
  uid: undefined,
  gids: [],
  network: '',
  networkRange: undefined,
};

/** Longest first: the first that fits is taken. */
const SPECS = ['*', 'all', 'rwfps', 'rwps', 'rwfp', 'rwfs', 'rwp', 'rws', 'rwf', 'rw', 'r'] as const;

const SPACES = /[ \n\t]+/y;

type Part = Partial<MdsCapGrant>;

function setting<T>(s: Scanner, what: string, value: () => T | undefined): T | undefined {
  return s.attempt(() => (s.match(SPACES) !== undefined && s.literal(`${what}=`) ? value() : undefined));
}

function path(s: Scanner): Part | undefined {
  const text = setting(s, 'path', () => s.word(true));
  return text === undefined ? undefined : { path: text.replace(/^\/+/, '') };
}

function number(s: Scanner): number | undefined {
  const digits = s.match(/\d{1,10}/y);
  return digits === undefined ? undefined : Number(digits);
}

function uid(s: Scanner): Part | undefined {
  const id = setting(s, 'uid', () => number(s));
  return id === undefined ? undefined : { uid: id };
}

function gids(s: Scanner): Part {
  const list = setting(s, 'gids', () => s.match(/\d{1,10}(,\d{1,10})*/y));
  return { gids: list === undefined ? [] : list.split(',').map(Number) };
}

function fsName(s: Scanner): Part {
  return { fsName: setting(s, 'fsname', () => s.match(/[a-zA-Z0-9_.-]+/y)) ?? '' };
}

function rootSquash(s: Scanner): Part | undefined {
  return s.attempt(() =>
    s.match(SPACES) !== undefined && s.literal('root_squash') ? { rootSquash: true } : undefined,
  );
}

function sequence(s: Scanner, ...parts: ((s: Scanner) => Part | undefined)[]): () => Part | undefined {
  return () => {
    let all: Part = {};
    for (const part of parts) {
      const one = part(s);
      if (one === undefined) return undefined;
      all = { ...all, ...one };
    }
    return all;
  };
}

function parseGrant(s: Scanner): MdsCapGrant | undefined {
  if (!s.literal('allow') || s.match(SPACES) === undefined) return undefined;
  const spec = SPECS.find((text) => s.literal(text));
  if (spec === undefined) return undefined;
  const match = s.first(
    sequence(s, fsName, path, rootSquash),
    sequence(s, uid, gids),
    sequence(s, path, uid, gids),
    sequence(s, fsName, path),
    sequence(s, fsName, rootSquash),
    sequence(s, path, rootSquash),
    sequence(s, path),
    sequence(s, rootSquash),
    sequence(s, fsName),
  );
  const network = s.network(SPACES);
  return {
    ...blank,
    ...match,
    spec: spec === 'all' ? '*' : spec,
    network,
    networkRange: parseNetwork(network),
  };
}

/** MDS caps: parsed and kept; the metadata server evaluates them. */
export class MdsCap {
  readonly text: string;
  readonly grants: readonly MdsCapGrant[];

  constructor(text: string, grants: readonly MdsCapGrant[]) {
    this.text = text;
    this.grants = grants;
  }

  /** EINVAL with Ceph's sentence where the text is no mds caps. `allow` alone is an old form of `allow rwps`. */
  static parse(text: string): MdsCap {
    if (text === 'allow') return new MdsCap(text, [{ ...blank, spec: 'rwps' }]);
    const s = new Scanner(text);
    s.match(/\s*/y);
    const grants = parseGrants(s, () => parseGrant(s), /[ ]*[;,][ ]*/y);
    if (grants !== undefined) {
      s.match(/\s*/y);
      if (s.isAtEnd) return new MdsCap(text, grants);
    }
    throw new ErrnoError('EINVAL', `mds capability parse failed, stopped at '${s.rest}' of '${text}'`);
  }
}
