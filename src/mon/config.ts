import { ErrnoError } from '../base/index.ts';
import { formatOptionValue, type OptionSpec, optionSpecs, parseConf, parseOptionValue } from '../config/index.ts';
import { decodeFromBytes, decodeText, encodeText, encodeToBytes, plain, string } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  type AuthName,
  entityType,
  type Formatter,
  formatUtime,
  parseAuthName,
  TextTable,
  utime,
  utimeFromMs,
} from '../types/index.ts';
import {
  type CommandRegistry,
  type CommandResult,
  committing,
  done,
  errorText,
  failure,
  reply,
} from './commands/registry.ts';
import {
  ConfigMap,
  type EntityPlace,
  formatMask,
  noMask,
  normalizeValue,
  type OptionMask,
  parseStoredKey,
  parseWho,
} from './config-map.ts';
import type { KvMonitor } from './kv.ts';
import { Service, type ServiceContext } from './service.ts';

const KEY_PREFIX = 'config/';
const HISTORY_PREFIX = 'config-history/';

const historyHeader = plain('ConfigChangeSet', { stamp: utime, name: string });

export interface ConfigPlaces {
  /** Where an entity stands in the crush tree, and its device class. */
  place(entity: AuthName, hostname: string): EntityPlace;
  /** Rank of a mask among others, see ConfigMap.forEntity. */
  precision(mask: OptionMask): number;
  /** An option of a manager module, `mgr/balancer/mode`. */
  moduleOption(name: string): OptionSpec | undefined;
  moduleOptionNames(): Iterable<string>;
  fsid(): string;
  /** The start of `config generate-minimal-conf`: fsid and mon_host. */
  minimalConf(): string;
}

/** The options stored in the monitors (`ceph config ...`), kept in the key-value service under `config/`. */
export class ConfigMonitor extends Service {
  readonly #kv: KvMonitor;
  readonly #places: ConfigPlaces;
  readonly #pending = new Map<string, string | undefined>();
  #description = '';
  #current = new Map<string, string>();
  #map = new ConfigMap();
  /** Called with each new version: subscribers and this monitor's own configuration may have to change. */
  onChanged: (() => void) | undefined;

  constructor(context: ServiceContext, kv: KvMonitor, places: ConfigPlaces) {
    super('config', context);
    this.#kv = kv;
    this.#places = places;
  }

  protected override createInitial(): void {}

  protected override createPending(): void {
    this.#pending.clear();
    this.#description = '';
  }

  protected override encodePending(t: StoreTransaction): void {
    this.putLastCommitted(t, this.version + 1);
  }

  protected override updateFromCommitted(): void {
    this.createPending();
    this.#load();
    this.onChanged?.();
  }

  #spec(name: string): OptionSpec | undefined {
    return optionSpecs().get(name) ?? this.#places.moduleOption(name);
  }

  #load(): void {
    this.#current = new Map();
    this.#map = new ConfigMap();
    for (const [key, value] of this.#kv.entries(KEY_PREFIX)) {
      const stored = key.slice(KEY_PREFIX.length);
      const text = decodeText(value);
      this.#current.set(stored, text);
      const { who, name } = parseStoredKey(stored);
      const parsed = who === '' ? { section: 'global', mask: noMask } : parseWho(who);
      if (parsed === undefined) continue;
      const section = parsed.section === '' ? 'global' : parsed.section;
      this.#map.add(section, { name, value: text, mask: parsed.mask, spec: this.#spec(name) });
    }
  }

  /** Effective stored options of an entity, by name. `hostname` tells where a client runs. */
  valuesFor(entity: AuthName, hostname = ''): Map<string, string> {
    const place = this.#places.place(entity, hostname);
    const chosen = this.#map.forEntity(place, (mask) => this.#places.precision(mask));
    return new Map([...chosen].map(([name, { option }]) => [name, option.value]));
  }

  #change(status: string, out = ''): CommandResult {
    for (const [key, value] of this.#pending) if (this.#current.get(key) === value) this.#pending.delete(key);
    if (this.#pending.size === 0) return reply(out, status);
    const history = `${HISTORY_PREFIX}${this.version + 1}/`;
    const stamp = utimeFromMs(this.context.clock.now());
    this.#kv.set(history, encodeToBytes(historyHeader, { stamp, name: this.#description }));
    for (const [key, value] of this.#pending) {
      const old = this.#current.get(key);
      if (old !== undefined) this.#kv.set(`${history}-${key}`, encodeText(old));
      if (value !== undefined) this.#kv.set(`${history}+${key}`, encodeText(value));
      this.#kv.set(KEY_PREFIX + key, value === undefined ? undefined : encodeText(value));
    }
    // The dispatcher submits the key-value service, whose proposal carries this service's version with it.
    this.#kv.alsoEncode = (t) => this.encodePending(t);
    return committing(status, out);
  }

  registerCommands(commands: CommandRegistry): void {
    commands.write('config set', this.#kv, ({ args }) => {
      const name = args.str('name');
      let value = args.str('value');
      if (!args.flag('force')) {
        const spec = this.#spec(name);
        if (spec === undefined) return failure('EINVAL', `unrecognized config option '${name}'`);
        try {
          value = normalizeValue(spec, value);
        } catch (error) {
          if (error instanceof ErrnoError) return failure('EINVAL', `error parsing value: ${errorText(error)}`);
          throw error;
        }
        if (spec.flags.includes('no_mon_update')) {
          return failure('EINVAL', `${name} is special and cannot be stored by the mon`);
        }
      }
      this.#pending.set(this.#storedKey(args.str('who'), name), value);
      return this.#change('');
    });
    commands.write('config rm', this.#kv, ({ args }) => {
      this.#pending.set(this.#storedKey(args.str('who'), args.str('name')), undefined);
      return this.#change('');
    });
    commands.write('config reset', this.#kv, ({ args }) => this.#reset(args.num('num')));
    commands.write('config assimilate-conf', this.#kv, ({ data }) => this.#assimilate(decodeText(data)));
    this.#registerReads(commands);
  }

  #storedKey(who: string, name: string): string {
    const parsed = parseWho(who);
    if (parsed === undefined) throw new ErrnoError('EINVAL', `unrecognized config target '${who}'`);
    const mask = formatMask(parsed.mask);
    return `${parsed.section === '' ? 'global' : parsed.section}/${mask === '' ? '' : `${mask}/`}${name}`;
  }

  #reset(to: number): CommandResult {
    if (to < 0 || to > this.version) {
      return failure(
        'EINVAL',
        "must specify a valid historical version to revert to; see 'ceph config log' for a list of avialable configuration historical versions",
      );
    }
    if (to === this.version) return done('');
    for (let v = this.version; v > to; v--) {
      for (const [key, { before, after }] of this.#changeset(v).diff) {
        if (before !== undefined) this.#pending.set(key, before);
        else if (after !== undefined) this.#pending.set(key, undefined);
      }
    }
    this.#description = `reset to ${to}`;
    return this.#change('');
  }

  #changeset(version: number): {
    stamp: string;
    name: string;
    diff: Map<string, { before?: string; after?: string }>;
  } {
    const prefix = `${HISTORY_PREFIX}${version}/`;
    const set = { stamp: '0.000000', name: '', diff: new Map<string, { before?: string; after?: string }>() };
    for (const [key, value] of this.#kv.entries(prefix)) {
      const rest = key.slice(prefix.length);
      if (rest === '') {
        const header = decodeFromBytes(historyHeader, value);
        set.stamp = formatUtime(header.stamp);
        set.name = header.name;
        continue;
      }
      const change = set.diff.get(rest.slice(1)) ?? {};
      if (rest.startsWith('-')) change.before = decodeText(value);
      else change.after = decodeText(value);
      set.diff.set(rest.slice(1), change);
    }
    return set;
  }

  #assimilate(text: string): CommandResult {
    const conf = parseConf(text, 'input');
    let rest = '';
    for (const [section, values] of conf) {
      let head = `\n[${section}]\n`;
      for (const [key, given] of values) {
        const spec = this.#spec(key);
        const value = this.#assimilable(spec, given);
        if (value !== undefined) {
          const stored = `${section}/${key}`;
          const old = this.#current.get(stored);
          if (old === value) continue;
          if (old === undefined && parseWho(section) !== undefined) {
            this.#pending.set(stored, value);
            continue;
          }
        }
        rest += `${head}\t${key} = ${given}\n`;
        head = '';
      }
    }
    return this.#change('', rest);
  }

  #assimilable(spec: OptionSpec | undefined, text: string): string | undefined {
    if (spec === undefined || spec.flags.includes('no_mon_update') || spec.flags.includes('cluster_create')) {
      return undefined;
    }
    try {
      return normalizeValue(spec, text);
    } catch {
      return undefined;
    }
  }

  #registerReads(commands: CommandRegistry): void {
    commands.read('config dump', ({ f }) => {
      const table = configTable();
      f?.openArray('config');
      for (const [section, options] of this.#map.ordered()) {
        for (const o of options) {
          const level = o.spec?.level ?? 'unknown';
          const runtime = o.spec?.runtime ?? true;
          if (f === undefined) {
            const indent = section === 'global' ? '' : section.includes('.') ? '    ' : '  ';
            table.row(indent + section, formatMask(o.mask), level, o.name, o.value, runtime ? '' : '*');
            continue;
          }
          f.openObject('option');
          f.string('section', section);
          f.string('name', o.name);
          f.string('value', o.value);
          f.string('level', level);
          f.bool('can_update_at_runtime', runtime);
          f.string('mask', formatMask(o.mask));
          dumpMask(f, o.mask);
          f.close();
        }
      }
      f?.close();
      return reply(f === undefined ? table.toString() : f.flush());
    });
    commands.read('config get', ({ args, f }) => {
      const who = args.str('who');
      const entity = parseAuthName(who) ?? parseAuthName(`${who}.`);
      if (entity === undefined) return failure('EINVAL', `unrecognized entity '${who}'`);
      const chosen = this.#map.forEntity(this.#places.place(entity, ''), (mask) => this.#places.precision(mask));
      const name = args.optionalStr('key');
      if (name !== undefined) return this.#getOne(entity, name, chosen.get(name)?.option.value);
      const table = configTable();
      f?.openObject('config');
      for (const [key, { section, option }] of chosen) {
        const runtime = option.spec?.runtime ?? true;
        if (f === undefined) {
          const level = option.spec?.level ?? 'unknown';
          table.row(section, formatMask(option.mask), level, key, option.value, runtime ? '' : '*');
          continue;
        }
        f.openObject(key);
        f.string('value', option.value);
        f.string('section', section);
        f.openObject('mask');
        dumpMask(f, option.mask);
        f.close();
        f.bool('can_update_at_runtime', runtime);
        f.close();
      }
      f?.close();
      return reply(f === undefined ? table.toString() : f.flush());
    });
    commands.read('config ls', ({ f }) => {
      const names = [...[...optionSpecs().keys()].sort(), ...this.#places.moduleOptionNames()];
      if (f === undefined) return reply(names.map((n) => `${n}\n`).join(''));
      f.openArray('options');
      for (const name of names) f.string('option', name);
      f.close();
      return reply(f.flush());
    });
    commands.read('config help', ({ args, f }) => {
      const name = args.str('key');
      const spec = this.#spec(name);
      if (spec === undefined) return failure('ENOENT', `configuration option '${name}' not recognized`);
      if (f === undefined) return reply(describeOption(spec));
      dumpOption(f, spec);
      return reply(f.flush());
    });
    commands.read('config log', ({ args, f }) => {
      const n = args.numOr('num', 10);
      let text = '';
      f?.openArray('changesets');
      for (let v = this.version; v > this.version - Math.min(n, this.version); v--) {
        const set = this.#changeset(v);
        const diff = [...set.diff].sort(([a], [b]) => (a < b ? -1 : 1));
        if (f !== undefined) {
          f.openObject('changeset');
          f.int('version', v);
          f.string('timestamp', set.stamp);
          f.string('name', set.name);
          f.openArray('changes');
          for (const [key, { before, after }] of diff) {
            f.openObject('change');
            f.string('name', key);
            if (before !== undefined) f.string('previous_value', before);
            if (after !== undefined) f.string('new_value', after);
            f.close();
          }
          f.close();
          f.close();
          continue;
        }
        text += `--- ${v} --- ${set.stamp}${set.name === '' ? '' : ` --- ${set.name}`} ---\n`;
        for (const [key, { before, after }] of diff) {
          if (before !== undefined) text += `- ${key} = ${before}\n`;
          if (after !== undefined) text += `+ ${key} = ${after}\n`;
        }
      }
      f?.close();
      return reply(f === undefined ? text : f.flush());
    });
    commands.read('config generate-minimal-conf', () => {
      let text = this.#places.minimalConf();
      for (const [section, options] of this.#map.ordered()) {
        const lines = options
          .filter((o) => o.spec?.flags.includes('no_mon_update') || o.spec?.flags.includes('minimal_conf'))
          .map((o) => `\t${o.mask === noMask ? '' : '# masked option excluded: '}${o.name} = ${o.value}\n`)
          .join('');
        if (lines !== '') text += section === 'global' ? lines : `\n[${section}]\n${lines}`;
      }
      return reply(text);
    });
  }

  #getOne(entity: AuthName, name: string, stored: string | undefined): CommandResult {
    const spec = this.#spec(name);
    if (spec === undefined) return failure('ENOENT', `unrecognized key '${name}'`);
    if (spec.flags.includes('no_mon_update') && name !== 'fsid') {
      return failure('EINVAL', `${name} is special and cannot be stored by the mon`);
    }
    if (name === 'fsid') return reply(`${this.#places.fsid()}\n`);
    if (stored !== undefined) return reply(`${stored}\n`);
    const daemon = entity.type !== entityType.CLIENT;
    const text = daemon && spec.daemonDefault !== undefined ? spec.daemonDefault : spec.default;
    return reply(`${text === '' ? '' : formatDefault(spec, text)}\n`);
  }
}

function formatDefault(spec: OptionSpec, text: string): string {
  try {
    return formatOptionValue(spec, parseOptionValue(spec, text));
  } catch {
    return text;
  }
}

function configTable(): TextTable {
  const table = new TextTable();
  for (const heading of ['WHO', 'MASK', 'LEVEL', 'OPTION', 'VALUE', 'RO']) table.column(heading, 'left');
  return table;
}

function dumpMask(f: Formatter, mask: OptionMask): void {
  if (mask.locationType !== '') {
    f.string('location_type', mask.locationType);
    f.string('location_value', mask.locationValue);
  }
  if (mask.deviceClass !== '') f.string('device_class', mask.deviceClass);
}

function describeOption(spec: OptionSpec): string {
  let text = `${spec.name} -\n  (${spec.type}, ${spec.level})\n`;
  if (spec.daemonDefault !== undefined) {
    text += `  Default (non-daemon): ${spec.default}\n  Default (daemon): ${spec.daemonDefault}\n`;
  } else text += `  Default: ${spec.default === '' ? '' : formatDefault(spec, spec.default)}\n`;
  if (spec.enumValues.length > 0) text += `  Possible values:  ${spec.enumValues.join(' ')}\n`;
  if (spec.min !== undefined) text += `  Minimum: ${spec.min}\n  Maximum: ${spec.max ?? ''}\n`;
  text += `  Can update at runtime: ${spec.runtime}\n`;
  if (spec.services.length > 0) text += `  Services: [${spec.services.join(', ')}]\n`;
  return text;
}

/** Numbers and booleans bare, the rest as text. */
function dumpDefault(f: Formatter, spec: OptionSpec): void {
  const value = spec.default === '' ? '' : parseOptionValue(spec, spec.default);
  if (spec.type === 'bool') f.bool('default', value === true);
  else if (spec.type === 'float') f.float('default', Number(value));
  else if (spec.type === 'int' || spec.type === 'uint') f.int('default', Number(value));
  else f.string('default', spec.default === '' ? '' : String(value));
}

function dumpOption(f: Formatter, spec: OptionSpec): void {
  f.openObject('option');
  f.string('name', spec.name);
  f.string('type', spec.type);
  f.string('level', spec.level);
  f.string('desc', '');
  f.string('long_desc', '');
  dumpDefault(f, spec);
  f.string('daemon_default', spec.daemonDefault ?? '');
  f.openArray('tags');
  f.close();
  f.openArray('services');
  for (const service of spec.services) f.string('service', service);
  f.close();
  f.openArray('see_also');
  f.close();
  if (spec.type === 'str') {
    f.openArray('enum_values');
    for (const value of spec.enumValues) f.string('value', value);
    f.close();
  }
  f.string('min', spec.min === undefined ? '' : String(spec.min));
  f.string('max', spec.max === undefined ? '' : String(spec.max));
  f.bool('can_update_at_runtime', spec.runtime);
  f.openArray('flags');
  for (const flag of spec.flags) f.string('option', flag);
  f.close();
  f.close();
}
