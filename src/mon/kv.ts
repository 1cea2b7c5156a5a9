import { ErrnoError } from '../base/index.ts';
import {
  blob,
  byString,
  type Decoded,
  decodeFromBytes,
  decodeText,
  encodeText,
  encodeToBytes,
  optional,
  sortedMap,
  string,
} from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import { createFormatter, type Formatter } from '../types/index.ts';
import { type CommandRegistry, committing, failure, reply } from './commands/registry.ts';
import { Service, type ServiceContext } from './service.ts';

/** Table of the keys themselves. */
const DATA_TABLE = 'mon_config_key';
/** Versions of changes kept for subscribers (KVMonitor's MAX_HISTORY). */
const HISTORY_MAX = 50;

const changeCodec = sortedMap(string, optional(blob), byString);
export type KvChange = Decoded<typeof changeCodec>;

/** The formatter asked for, or json-pretty. */
export function formatterOr(f: Formatter | undefined, format = 'json-pretty'): Formatter {
  return f ?? createFormatter(format)!;
}

/**
 * config-key: a small replicated key-value store that modules and tools use. The options of the configuration service live in it too, under
 * `config/`.
 */
export class KvMonitor extends Service {
  #pending: KvChange = new Map();
  /** Told of the keys that each new version changed. */
  onChanged: ((version: number) => void) | undefined;
  /** Adds to the next proposal only, so that another service's version is committed with these keys. */
  alsoEncode: ((t: StoreTransaction) => void) | undefined;

  constructor(context: ServiceContext) {
    super('kv', context);
  }

  protected override createInitial(): void {}

  protected override createPending(): void {
    this.#pending = new Map();
  }

  protected override encodePending(t: StoreTransaction): void {
    const version = this.version + 1;
    this.putLastCommitted(t, version);
    this.putVersion(t, version, encodeToBytes(changeCodec, this.#pending));
    this.alsoEncode?.(t);
    this.alsoEncode = undefined;
    for (const [key, value] of this.#pending) {
      if (value === undefined) t.erase(DATA_TABLE, key);
      else t.put(DATA_TABLE, key, value);
    }
  }

  protected override updateFromCommitted(): void {
    this.onChanged?.(this.version);
  }

  protected override trimTo(): number {
    return Math.max(0, this.version - HISTORY_MAX);
  }

  /** Adds to the pending change; undefined removes the key. Submit afterwards. */
  set(key: string, value: Uint8Array | undefined): void {
    this.#pending.set(key, value);
  }

  get(key: string): Uint8Array | undefined {
    return this.context.store.get(DATA_TABLE, key);
  }

  *entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
    for (const entry of this.context.store.entries(DATA_TABLE, prefix)) {
      if (!entry[0].startsWith(prefix)) return;
      yield entry;
    }
  }

  *keys(prefix = ''): Iterable<string> {
    for (const key of this.context.store.keys(DATA_TABLE, prefix)) {
      if (!key.startsWith(prefix)) return;
      yield key;
    }
  }

  /** What version `version` changed, where it is still kept. */
  changeOf(version: number): KvChange | undefined {
    const bytes = this.getVersion(version);
    return bytes === undefined ? undefined : decodeChange(bytes);
  }

  /** What changed below a prefix from version `from` on; undefined where that is not kept any more. */
  changesSince(from: number, prefix: string): KvChange | undefined {
    const changes: KvChange = new Map();
    for (let v = from; v <= this.version; v++) {
      const change = this.changeOf(v);
      if (change === undefined) return undefined;
      for (const [key, value] of change) if (key.startsWith(prefix)) changes.set(key, value);
    }
    return changes;
  }

  /** Largest value taken, in bytes, and the commands. */
  registerCommands(commands: CommandRegistry, entrySize_max: () => number): void {
    const get = commands.read.bind(commands);
    get('config-key get', ({ args }) => {
      const value = this.get(args.str('key'));
      return value === undefined ? failure('ENOENT', '') : reply(value);
    });
    get('config-key exists', ({ args }) => {
      const key = args.str('key');
      return this.get(key) === undefined
        ? failure('ENOENT', `key '${key}' doesn't exist`)
        : reply('', `key '${key}' exists`);
    });
    for (const prefix of ['config-key ls', 'config-key list']) {
      get(prefix, (call) => {
        const f = formatterOr(call.f);
        f.openArray('keys');
        for (const key of this.keys()) f.string('key', key);
        f.close();
        return reply(f.flush());
      });
    }
    get('config-key dump', (call) => {
      const f = formatterOr(call.f);
      f.openObject('config-key store');
      for (const [key, value] of this.entries(call.args.strOr('key', ''))) {
        f.string(key, isBinary(value) ? `<<< binary blob of length ${value.length} >>>` : decodeText(value));
      }
      f.close();
      return reply(f.flush());
    });
    for (const prefix of ['config-key set', 'config-key put']) {
      commands.write(prefix, this, ({ args, data }) => {
        const key = args.str('key');
        const text = args.optionalStr('val');
        const value = text === undefined ? data : encodeText(text);
        const max = entrySize_max();
        if (value.length > max) {
          throw new ErrnoError(
            'EFBIG',
            `error: entry size limited to ${max} bytes. Use 'mon config key max entry size' to manually adjust`,
          );
        }
        if (key.length === 0 || key.length > 1024) throw new ErrnoError('EINVAL', 'a key has 1 to 1024 characters');
        this.set(key, value);
        return committing(`set ${key}`);
      });
    }
    for (const prefix of ['config-key rm', 'config-key del']) {
      commands.write(prefix, this, ({ args }) => {
        this.set(args.str('key'), undefined);
        return committing('key deleted');
      });
    }
  }
}

function decodeChange(bytes: Uint8Array): KvChange {
  return decodeFromBytes(changeCodec, bytes);
}

/** Whether a terminal should be spared the value. */
function isBinary(value: Uint8Array): boolean {
  return value.some((c) => c < 0x20 && c !== 9 && c !== 10 && c !== 13);
}
