import { type Bucket, bucketAlg } from './bucket.ts';

/** The empty place in a mapping that keeps positions (CRUSH_ITEM_NONE). */
export const ITEM_NONE = 0x7fffffff;

/** choose_args key of the weight set that serves every pool without its own. */
export const DEFAULT_CHOOSE_ARGS = -1;

/** Rule step opcodes (CRUSH_RULE_*). */
export const ruleOp = {
  NOOP: 0,
  TAKE: 1,
  CHOOSE_FIRSTN: 2,
  CHOOSE_INDEP: 3,
  EMIT: 4,
  CHOOSELEAF_FIRSTN: 6,
  CHOOSELEAF_INDEP: 7,
  SET_CHOOSE_TRIES: 8,
  SET_CHOOSELEAF_TRIES: 9,
  SET_CHOOSE_LOCAL_TRIES: 10,
  SET_CHOOSE_LOCAL_FALLBACK_TRIES: 11,
  SET_CHOOSELEAF_VARY_R: 12,
  SET_CHOOSELEAF_STABLE: 13,
  SET_MSR_DESCENTS: 14,
  SET_MSR_COLLISION_TRIES: 15,
  CHOOSE_MSR: 16,
} as const;

/** Rule types: the pool types of the OSDMap. */
export const ruleType = { REPLICATED: 1, ERASURE: 3, MSR_FIRSTN: 4, MSR_INDEP: 5 } as const;

export interface RuleStep {
  /** One of {@link ruleOp}; unknown ones are kept and skipped. */
  op: number;
  /** TAKE: item. CHOOSE*: how many (0: as many as asked for, negative: fewer than that). SET_*: the value. */
  arg1: number;
  /** CHOOSE*: type of item. */
  arg2: number;
}

export interface Rule {
  /** Older clients select a rule by ruleset, type and size; every new rule's ruleset is its id. */
  ruleset: number;
  type: number;
  minSize: number;
  maxSize: number;
  steps: RuleStep[];
}

export interface Tunables {
  chooseLocalTries: number;
  chooseLocalFallbackTries: number;
  chooseTotalTries: number;
  chooseleafDescendOnce: number;
  chooseleafVaryR: number;
  chooseleafStable: number;
  /** How straw buckets compute their straws. */
  strawCalcVersion: number;
  /** Bits 1 << alg of the algorithms new buckets may use. */
  allowedBucketAlgs: number;
  /** Ceph 19: descents of MSR rules. */
  msrDescents: number;
  /** Ceph 19: collisions an MSR rule tolerates before it moves on. */
  msrCollisionTries: number;
}

/** What takes the place of a straw2 bucket's weights and ids when items are drawn from it. */
export interface ChooseArg {
  /** Weights (16.16) by position in the result, then by item; the last position serves those beyond. Empty: the bucket's. */
  weightSet: number[][];
  /** Ids hashed in place of the items'. Empty: the items. */
  ids: number[];
}

export type TunablesProfile =
  | 'legacy'
  | 'argonaut'
  | 'bobtail'
  | 'firefly'
  | 'hammer'
  | 'jewel'
  | 'optimal'
  | 'default';

const LEGACY_ALGS = (1 << bucketAlg.UNIFORM) | (1 << bucketAlg.LIST) | (1 << bucketAlg.STRAW);
const HAMMER_ALGS = LEGACY_ALGS | (1 << bucketAlg.STRAW2);

function profile(
  local: number,
  fallback: number,
  total: number,
  once: number,
  varyR: number,
  stable: number,
  algs: number,
): Omit<Tunables, 'strawCalcVersion' | 'msrDescents' | 'msrCollisionTries'> {
  return {
    chooseLocalTries: local,
    chooseLocalFallbackTries: fallback,
    chooseTotalTries: total,
    chooseleafDescendOnce: once,
    chooseleafVaryR: varyR,
    chooseleafStable: stable,
    allowedBucketAlgs: algs,
  };
}

const ARGONAUT = profile(2, 5, 19, 0, 0, 0, LEGACY_ALGS);
const JEWEL = profile(0, 0, 50, 1, 1, 1, HAMMER_ALGS);

const PROFILES: Record<TunablesProfile, Partial<Tunables>> = {
  argonaut: ARGONAUT,
  bobtail: profile(0, 0, 50, 1, 0, 0, LEGACY_ALGS),
  firefly: profile(0, 0, 50, 1, 1, 0, LEGACY_ALGS),
  hammer: profile(0, 0, 50, 1, 1, 0, HAMMER_ALGS),
  jewel: JEWEL,
  // The named releases leave straw_calc_version as it is; these three set it.
  legacy: { ...ARGONAUT, strawCalcVersion: 0 },
  optimal: { ...JEWEL, strawCalcVersion: 1 },
  default: { ...JEWEL, strawCalcVersion: 1 },
};

/**
 * A CRUSH map: the hierarchy of buckets, the rules, the names, the tunables. Plain mutable data; the edits (`edit/`) keep it
 * consistent and call {@link CrushMap.changed}, as must whoever writes to it directly.
 */
export class CrushMap {
  /** Bucket -1-i at index i; holes where there is none. Its length is the map's max_buckets and part of the encoding. */
  buckets: (Bucket | undefined)[] = [];
  /** By rule id; its length is max_rules. */
  rules: (Rule | undefined)[] = [];
  /** One more than the highest device. */
  maxDevices = 0;
  tunables: Tunables;
  /** Type id to name. */
  typeNames = new Map<number, string>();
  /** Item id to name, devices and buckets. */
  itemNames = new Map<number, string>();
  ruleNames = new Map<number, string>();
  /** Device (or shadow bucket) to class id. */
  itemClasses = new Map<number, number>();
  /** Class id to name. */
  classNames = new Map<number, string>();
  /** Bucket, then class, to the id of the bucket's shadow that holds only the class's devices. */
  classBuckets = new Map<number, Map<number, number>>();
  /** Pool id (or {@link DEFAULT_CHOOSE_ARGS}) to replacements, by bucket index (-1-id). */
  chooseArgs = new Map<number, Map<number, ChooseArg>>();
  /** Whether the encoding has the tunables of MSR rules (Ceph 19), for receivers that know them. */
  carriesMsr = false;

  #generation = 0;
  #idsByName = new Map<string, number>();
  /** The names that `#idsByName` was made of. */
  #namedItems: Map<number, string> | undefined;

  constructor() {
    this.tunables = {
      ...JEWEL,
      strawCalcVersion: 1,
      msrDescents: 100,
      msrCollisionTries: 100,
    };
  }

  /** Counts the changes, for what is derived from the map. */
  get generation(): number {
    return this.#generation;
  }

  /** To be called after any change of buckets, rules, tunables or choose_args. */
  changed(): void {
    this.#generation++;
  }

  bucket(id: number): Bucket | undefined {
    return id < 0 ? this.buckets[-1 - id] : undefined;
  }

  /** Id of a device or bucket by name; undefined where there is none. Of several with one name the highest id. */
  itemId(name: string): number | undefined {
    if (this.#namedItems !== this.itemNames) {
      this.#idsByName = inverse(this.itemNames);
      this.#namedItems = this.itemNames;
    }
    return this.#idsByName.get(name);
  }

  /** Gives an item a name. Names are unique by the callers' care. */
  setItemName(id: number, name: string): void {
    const renamed = this.itemNames.has(id);
    this.itemNames.set(id, name);
    if (renamed) this.#namedItems = undefined;
    else if (this.#namedItems === this.itemNames) {
      const known = this.#idsByName.get(name);
      if (known === undefined || id > known) this.#idsByName.set(name, id);
    }
  }

  deleteItemName(id: number): void {
    this.itemNames.delete(id);
    this.#namedItems = undefined;
  }

  typeId(name: string): number | undefined {
    return inverse(this.typeNames).get(name);
  }

  ruleId(name: string): number | undefined {
    return inverse(this.ruleNames).get(name);
  }

  classId(name: string): number | undefined {
    return inverse(this.classNames).get(name);
  }

  /** Name of the device class of an item. */
  className(item: number): string | undefined {
    const id = this.itemClasses.get(item);
    return id === undefined ? undefined : this.classNames.get(id);
  }

  /** Whether an item is a bucket's shadow, which holds one class's devices only: its name has a `~`. */
  isShadow(id: number): boolean {
    const name = this.itemNames.get(id);
    return name !== undefined && !isValidName(name);
  }

  setTunables(name: TunablesProfile): void {
    Object.assign(this.tunables, PROFILES[name]);
    this.changed();
  }

  /** Whether the tunables are those of a profile, straw_calc_version aside. */
  hasTunables(name: TunablesProfile): boolean {
    return Object.entries(PROFILES[name]).every(
      ([key, value]) => key === 'strawCalcVersion' || this.tunables[key as keyof Tunables] === value,
    );
  }

  /** Recomputes {@link CrushMap.maxDevices} from the items (Ceph does on every decode). */
  finalize(): void {
    let max = 0;
    for (const bucket of this.buckets) {
      if (bucket !== undefined) for (const item of bucket.items) if (item >= max) max = item + 1;
    }
    this.maxDevices = max;
    this.changed();
  }

  /** Choose args for a pool: its own, else the default ones. */
  chooseArgsFor(pool: number): ReadonlyMap<number, ChooseArg> | undefined {
    return this.chooseArgs.get(pool) ?? this.chooseArgs.get(DEFAULT_CHOOSE_ARGS);
  }
}

function inverse(names: ReadonlyMap<number, string>): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [id, name] of names) {
    const known = ids.get(name);
    if (known === undefined || id > known) ids.set(name, id);
  }
  return ids;
}

/** What users may name items, types and classes: letters, digits, `-`, `_` and `.`. */
export function isValidName(name: string): boolean {
  return /^[-_.0-9A-Za-z]+$/.test(name);
}
