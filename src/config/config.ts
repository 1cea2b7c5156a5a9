import { ErrnoError } from '../base/index.ts';
import {
  formatOptionValue,
  normalizeOptionName,
  type OptionSpec,
  type OptionValue,
  optionSpecs,
  parseOptionValue,
} from './spec.ts';

/** Where a value comes from, weakest first, as Ceph ranks them. */
export const configLayers = ['default', 'mon', 'file', 'env', 'cmdline', 'override'] as const;
export type ConfigLayer = (typeof configLayers)[number];

type Layer = Map<string, string>;

/** Who the configuration is for; fills the metavariables. */
export interface ConfigOwner {
  readonly cluster: string;
  /** mon, osd, mgr, mds, client */
  readonly type: string;
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** True takes the daemon defaults. */
  readonly daemon: boolean;
}

/**
 * The options of one process: values in layers, parsed on first use. `get` on a name Ceph does not know is a programming error and throws.
 */
export class Config {
  readonly owner: ConfigOwner;
  readonly #layers = new Map<ConfigLayer, Layer>(configLayers.map((l) => [l, new Map()]));
  readonly #cache = new Map<string, OptionValue>();
  readonly #observers = new Map<string, Set<(value: OptionValue) => void>>();

  constructor(owner: ConfigOwner) {
    this.owner = owner;
  }

  spec(name: string): OptionSpec {
    const spec = optionSpecs().get(normalizeOptionName(name));
    if (spec === undefined) throw new ErrnoError('ENOENT', `unrecognized config option '${name}'`);
    return spec;
  }

  get(name: string): OptionValue {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const value = this.#resolve(this.spec(name));
    this.#cache.set(name, value);
    return value;
  }

  str(name: string): string {
    return String(this.get(name));
  }

  /** Numbers of any kind: sizes in bytes, durations in the option's unit. */
  num(name: string): number {
    return Number(this.get(name));
  }

  bool(name: string): boolean {
    return this.get(name) === true;
  }

  /** The layer that decides, and all that set it (strongest last). */
  sources(name: string): { layer: ConfigLayer; text: string }[] {
    const spec = this.spec(name);
    const found: { layer: ConfigLayer; text: string }[] = [{ layer: 'default', text: this.#defaultText(spec) }];
    for (const layer of configLayers) {
      const text = this.#layers.get(layer)!.get(spec.name);
      if (text !== undefined) found.push({ layer, text });
    }
    return found;
  }

  /** Sets one value. EINVAL where it does not parse, ENOENT where the option is unknown. Observers hear of it when the effective value changed. */
  set(layer: ConfigLayer, name: string, text: string): void {
    const spec = this.spec(name);
    this.#parse(spec, text);
    this.#change(spec.name, () => this.#layers.get(layer)!.set(spec.name, text));
  }

  unset(layer: ConfigLayer, name: string): void {
    const spec = this.spec(name);
    this.#change(spec.name, () => this.#layers.get(layer)!.delete(spec.name));
  }

  /**
   * Replaces a layer whole, as the monitor's MConfig does and as a file read again would. Unknown names and bad values are left out and returned with the reason.
   */
  replaceLayer(layer: ConfigLayer, values: ReadonlyMap<string, string>): { name: string; reason: string }[] {
    const rejected: { name: string; reason: string }[] = [];
    const accepted: Layer = new Map();
    for (const [raw, text] of values) {
      try {
        const spec = this.spec(raw);
        this.#parse(spec, text);
        accepted.set(spec.name, text);
      } catch (error) {
        rejected.push({ name: raw, reason: (error as Error).message });
      }
    }
    const touched = new Set([...this.#layers.get(layer)!.keys(), ...accepted.keys()]);
    const before = new Map([...touched].map((name) => [name, this.get(name)]));
    this.#layers.set(layer, accepted);
    this.#cache.clear();
    for (const [name, old] of before) this.#notify(name, old);
    return rejected;
  }

  /** Calls `fn` whenever the option's effective value changes, and not now. Returns the way to stop. */
  observe(name: string, fn: (value: OptionValue) => void): () => void {
    const set = this.#observers.get(name) ?? new Set();
    this.#observers.set(name, set);
    set.add(fn);
    return () => set.delete(fn);
  }

  /** Text of the effective value, as `config show` prints it. */
  text(name: string): string {
    return formatOptionValue(this.spec(name), this.get(name));
  }

  /** Names whose effective value does not come from the default. */
  changed(): string[] {
    const names = new Set<string>();
    for (const layer of this.#layers.values()) for (const name of layer.keys()) names.add(name);
    return [...names].sort();
  }

  /** Expands $cluster, $type, $id, $name, $host, $pid and $option in a text. */
  expand(text: string, depth = 0): string {
    if (depth > 8 || !text.includes('$')) return text;
    return text.replace(/\$\{?([a-z_]+)\}?/g, (whole, name: string) => {
      const { cluster, type, id, host, pid } = this.owner;
      const meta: Record<string, string> = {
        cluster,
        type,
        id,
        name: `${type}.${id}`,
        host,
        pid: String(pid),
        num: id,
      };
      if (name in meta) return meta[name]!;
      const spec = optionSpecs().get(name);
      return spec === undefined ? whole : this.expand(this.#text(spec), depth + 1);
    });
  }

  #defaultText(spec: OptionSpec): string {
    return this.owner.daemon && spec.daemonDefault !== undefined ? spec.daemonDefault : spec.default;
  }

  #text(spec: OptionSpec): string {
    let text = this.#defaultText(spec);
    for (const layer of configLayers) text = this.#layers.get(layer)!.get(spec.name) ?? text;
    return text;
  }

  #parse(spec: OptionSpec, text: string): OptionValue {
    return parseOptionValue(spec, this.expand(text));
  }

  #resolve(spec: OptionSpec): OptionValue {
    let text = this.#text(spec);
    // How Ceph prints an address that is not set.
    if (text === '-' && (spec.type === 'addr' || spec.type === 'addrvec')) text = '';
    // An option without a default is empty, whatever its type; numbers read it as 0.
    if (text === '' && spec.type !== 'bool')
      return spec.type === 'str' ? '' : ['addr', 'addrvec', 'uuid'].includes(spec.type) ? '' : 0;
    return this.#parse(spec, text);
  }

  #change(name: string, apply: () => void): void {
    const old = this.get(name);
    apply();
    this.#cache.clear();
    this.#notify(name, old);
  }

  #notify(name: string, old: OptionValue): void {
    const value = this.get(name);
    if (value === old) return;
    for (const fn of this.#observers.get(name) ?? []) fn(value);
  }
}
