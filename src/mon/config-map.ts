import { formatOptionValue, type OptionSpec, parseOptionValue } from '../config/index.ts';
import { type AuthName, entityTypeFromName, formatAuthName } from '../types/index.ts';

/** Whom an option is for beyond its section: a place in the crush tree, a device class. */
export interface OptionMask {
  readonly locationType: string;
  readonly locationValue: string;
  readonly deviceClass: string;
}

export interface StoredOption {
  readonly name: string;
  readonly value: string;
  readonly mask: OptionMask;
  /** Undefined for an option this release does not know. */
  readonly spec: OptionSpec | undefined;
}

export const noMask: OptionMask = { locationType: '', locationValue: '', deviceClass: '' };

export function formatMask(mask: OptionMask): string {
  const parts: string[] = [];
  if (mask.locationType !== '') parts.push(`${mask.locationType}:${mask.locationValue}`);
  if (mask.deviceClass !== '') parts.push(`class:${mask.deviceClass}`);
  return parts.join('/');
}

/** Reads `osd`, `osd.3`, `global`, `osd/class:ssd`, `client/rack:foo`; undefined where the type of entity is unknown. */
export function parseWho(who: string): { section: string; mask: OptionMask } | undefined {
  let section = '';
  let mask = noMask;
  for (const part of who.split('/')) {
    const colon = part.indexOf(':');
    if (part === 'global') {
      section = 'global';
    } else if (colon >= 0) {
      const key = part.slice(0, colon);
      const value = part.slice(colon + 1);
      mask = key === 'class' ? { ...mask, deviceClass: value } : { ...mask, locationType: key, locationValue: value };
    } else {
      const dot = part.indexOf('.');
      const type = entityTypeFromName(dot < 0 ? part : part.slice(0, dot));
      if (type === undefined) return undefined;
      section = part;
    }
  }
  return { section, mask };
}

/** Splits a stored key, `osd/class:ssd/name` or `mgr/mgr/balancer/mode`, into who and option. */
export function parseStoredKey(key: string): { who: string; name: string } {
  const module = key.indexOf('/mgr/');
  if (module >= 0) return { who: key.slice(0, module), name: key.slice(module + 1) };
  const slash = key.lastIndexOf('/');
  return slash < 0 ? { who: '', name: key } : { who: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** A value in the form that is stored: parsed and written again, so that `4G` becomes bytes. @throws ErrnoError EINVAL */
export function normalizeValue(spec: OptionSpec, text: string): string {
  const value = parseOptionValue(spec, text);
  // One level counts for the log and for what is gathered.
  if (spec.name.startsWith('debug_') && /^\d+$/.test(text)) return `${text}/${text}`;
  return spec.type === 'str' ? text : formatOptionValue(spec, value);
}

/** What is known of an entity for choosing among masked options. */
export interface EntityPlace {
  readonly entity: AuthName;
  /** Type of bucket to name of bucket, as `host` to `node1`. */
  readonly location: ReadonlyMap<string, string>;
  readonly deviceClass: string;
}

/** All stored options by section, as `config dump` lists them. */
export class ConfigMap {
  readonly sections = new Map<string, StoredOption[]>();

  add(section: string, option: StoredOption): void {
    const list = this.sections.get(section);
    if (list === undefined) this.sections.set(section, [option]);
    else list.push(option);
  }

  /** Sections in the order of `config dump`: global, then each type with its ids. */
  *ordered(): Iterable<readonly [section: string, options: readonly StoredOption[]]> {
    const names = [...this.sections.keys()].sort();
    if (this.sections.has('global')) yield ['global', this.#options('global')];
    for (const type of ['mon', 'mgr', 'osd', 'mds', 'client']) {
      for (const name of names) if (name === type || name.startsWith(`${type}.`)) yield [name, this.#options(name)];
    }
  }

  #options(section: string): StoredOption[] {
    return [...this.sections.get(section)!].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /**
   * The options that hold for an entity: global first, then its type, then each leading part of its name, the more particular
   * mask winning within a section. `precision` ranks masks: the less, the more particular.
   */
  forEntity(
    place: EntityPlace,
    precision: (mask: OptionMask) => number,
  ): Map<string, { section: string; option: StoredOption }> {
    const bits = formatAuthName(place.entity).split('.');
    const names = ['global'];
    for (let i = 1; i <= bits.length; i++) names.push(bits.slice(0, i).join('.'));
    const chosen = new Map<string, { section: string; option: StoredOption }>();
    for (const section of names) {
      if (!this.sections.has(section)) continue;
      for (const option of this.#options(section)) {
        const { mask } = option;
        if (mask.deviceClass !== '' && mask.deviceClass !== place.deviceClass) continue;
        if (mask.locationType !== '' && place.location.get(mask.locationType) !== mask.locationValue) continue;
        const before = chosen.get(option.name);
        if (before !== undefined && precision(before.option.mask) < precision(mask)) continue;
        chosen.set(option.name, { section, option });
      }
    }
    return new Map([...chosen].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  }
}
