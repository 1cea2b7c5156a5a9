import type { Config } from '../config/index.ts';
import { DecodeError, Reader, Writer } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  clogType,
  dumpAddrVec,
  type EntityAddrVec,
  type EntityName,
  type Formatter,
  formatAuthName,
  formatEntityName,
  formatUtime,
  type LogEntry,
  logEntry,
  utimeFromMs,
} from '../types/index.ts';
import { type CommandRegistry, failure, reply } from './commands/registry.ts';
import type { ClogLevel } from './osd/context.ts';
import { Service, type ServiceContext } from './service.ts';
import type { Session } from './session.ts';

const CLUSTER = 'cluster';
/** Entries that one version holds at most; a flood is committed in parts. */
const ENTRIES_MAX = 4096;

const levels: ReadonlyMap<string, number> = new Map([
  ['debug', clogType.DEBUG],
  ['info', clogType.INFO],
  ['sec', clogType.SEC],
  ['warn', clogType.WARN],
  ['warning', clogType.WARN],
  ['error', clogType.ERROR],
  ['err', clogType.ERROR],
]);
const levelTags = ['[DBG]', '[INF]', '[SEC]', '[WRN]', '[ERR]'];

/** Number of a level by name; undefined where there is none. */
export function clogLevel(name: string): number | undefined {
  return levels.get(name.toLowerCase());
}

/** A line of the cluster log as `ceph -w` and the log file show it. */
export function formatLogEntry(e: LogEntry): string {
  const tag = levelTags[e.prio] ?? '[???]';
  return `${formatUtime(e.stamp)} ${formatAuthName(e.name)} (${formatEntityName(e.rank)}) ${e.seq} : ${e.channel} ${tag} ${e.msg}`;
}

function dumpLogEntry(f: Formatter, e: LogEntry): void {
  f.openObject('entry');
  f.string('name', formatAuthName(e.name));
  f.string('rank', formatEntityName(e.rank));
  dumpAddrVec(f, 'addrs', e.addrs);
  f.string('stamp', formatUtime(e.stamp));
  f.int('seq', e.seq);
  f.string('channel', e.channel);
  f.string('priority', levelTags[e.prio] ?? '[???]');
  f.string('message', e.msg);
  f.close();
}

function keyOf(e: LogEntry): string {
  return `${e.rank.type}.${e.rank.num}/${e.stamp.sec}.${e.stamp.nsec}/${e.seq}`;
}

export interface LogOwner {
  readonly config: Config;
  /** This monitor's name, rank on the wire and addresses, for its own entries. */
  readonly self: { readonly id: string; rank(): EntityName; addrs(): EntityAddrVec; readonly authType: number };
  /** Appends to a cluster log file, where mon_cluster_log_to_file is set. */
  writeFile(path: string, text: string): void;
  /** Sends entries of this monitor's own to the leader, where this one follows. */
  toLeader(entries: readonly LogEntry[]): void;
}

/** The cluster log: events that daemons and operators report, committed in order and kept for a while. */
export class LogMonitor extends Service {
  readonly #owner: LogOwner;
  #pending: LogEntry[] = [];
  /** Newest entries by channel, each with its place in the whole order. */
  readonly #tail = new Map<string, { order: number; entry: LogEntry }[]>();
  readonly #keys = new Set<string>();
  readonly #pendingKeys = new Set<string>();
  #order = 0;
  #seq = 0;
  #loaded = 0;
  onChanged: (() => void) | undefined;

  constructor(context: ServiceContext, owner: LogOwner) {
    super('logm', context);
    this.#owner = owner;
  }

  protected override createInitial(): void {
    this.#pending.push(this.#own(CLUSTER, clogType.INFO, 'mkfs made the cluster'));
  }

  protected override createPending(): void {
    this.#pending = [];
    this.#pendingKeys.clear();
  }

  protected override encodePending(t: StoreTransaction): void {
    const version = this.version + 1;
    const w = new Writer(1024);
    w.u8(1);
    this.#pending.sort((a, b) => a.stamp.sec - b.stamp.sec || a.stamp.nsec - b.stamp.nsec);
    for (const entry of this.#pending) logEntry.encode(w, entry);
    this.putVersion(t, version, w.bytes());
    this.putLastCommitted(t, version);
  }

  protected override trimTo(): number {
    return Math.max(0, this.version - this.#owner.config.num('mon_max_log_epochs'));
  }

  #entriesOf(version: number): LogEntry[] {
    const bytes = this.getVersion(version);
    if (bytes === undefined) return [];
    const r = new Reader(bytes);
    r.u8();
    const entries: LogEntry[] = [];
    try {
      while (r.remaining > 0) entries.push(logEntry.decode(r));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.context.logger.error('mon', `cluster log version ${version} is damaged: ${error.message}`);
    }
    return entries;
  }

  protected override updateFromCommitted(): void {
    const fresh = this.#loaded > 0;
    const from = Math.max(this.#loaded + 1, this.firstCommitted);
    const texts = new Map<string, string>();
    for (let v = from; v <= this.version; v++) {
      for (const entry of this.#entriesOf(v)) {
        this.#remember(entry);
        if (fresh) texts.set(entry.channel, `${texts.get(entry.channel) ?? ''}${formatLogEntry(entry)}\n`);
      }
    }
    this.#loaded = this.version;
    // What was committed before this start is in the files already.
    for (const [channel, text] of texts) this.#toFile(channel, text);
    this.onChanged?.();
  }

  #remember(entry: LogEntry): void {
    const max = this.#owner.config.num('mon_log_max_summary');
    const list = this.#tail.get(entry.channel) ?? [];
    this.#tail.set(entry.channel, list);
    list.push({ order: ++this.#order, entry });
    this.#keys.add(keyOf(entry));
    while (list.length > max) this.#keys.delete(keyOf(list.shift()!.entry));
  }

  #toFile(channel: string, text: string): void {
    const { config } = this.#owner;
    if (!config.bool('mon_cluster_log_to_file')) return;
    const path = channelValue(config.str('mon_cluster_log_file'), channel);
    if (path !== '') this.#owner.writeFile(config.expand(path.replaceAll('$channel', channel)), text);
  }

  #own(channel: string, prio: number, msg: string): LogEntry {
    const { self } = this.#owner;
    return {
      name: { type: self.authType, id: self.id },
      rank: self.rank(),
      addrs: self.addrs(),
      stamp: utimeFromMs(this.context.clock.now()),
      seq: ++this.#seq,
      prio,
      msg,
      channel,
    };
  }

  /** An entry of this monitor's own. */
  log(level: ClogLevel, msg: string, channel = CLUSTER): void {
    const entries = [this.#own(channel, levels.get(level)!, msg)];
    if (this.context.log.isWriteable) this.add(entries);
    else this.#owner.toLeader(entries);
  }

  /** Takes entries that are not there yet; `done` runs when all are committed. */
  add(entries: readonly LogEntry[], done?: () => void): void {
    this.whenWriteable(() => {
      const { config } = this.#owner;
      let added = false;
      for (const entry of entries) {
        const key = keyOf(entry);
        if (this.#keys.has(key) || this.#pendingKeys.has(key) || this.#pending.length >= ENTRIES_MAX) continue;
        this.#pending.push(entry);
        this.#pendingKeys.add(key);
        added = true;
      }
      if (!added) {
        done?.();
        return;
      }
      const many = this.#pending.length >= config.num('mon_max_log_entries_per_event');
      if (many) this.submit(done);
      else this.submitPaced(config.num('paxos_propose_interval') * 1000, done);
    });
  }

  /**
   * Entries of versions `from` and later at `level` or above, for a subscriber. Where some are gone already, an entry that says so comes first.
   */
  since(from: number, level: number): LogEntry[] {
    const out: LogEntry[] = [];
    let v = from;
    if (v < this.firstCommitted) {
      out.push(this.#own('', clogType.WARN, `skipped log messages from ${v} to ${this.firstCommitted}`));
      v = this.firstCommitted;
    }
    for (; v <= this.version; v++) {
      for (const entry of this.#entriesOf(v)) if (entry.prio >= level) out.push(entry);
    }
    return out;
  }

  registerCommands(commands: CommandRegistry): void {
    commands.read('log last', ({ args, f }) => {
      const name = args.strOr('level', 'info');
      const level = clogLevel(name);
      if (level === undefined) return failure('EINVAL', `Invalid severity '${name}'`);
      const entries = this.#last(args.numOr('num', 20), level, args.strOr('channel', CLUSTER));
      if (f === undefined) return reply(entries.map((e) => `${formatLogEntry(e)}\n`).join(''));
      f.openArray('tail');
      for (const entry of entries) dumpLogEntry(f, entry);
      f.close();
      return reply(f.flush());
    });
  }

  #last(n: number, level: number, channel: string): LogEntry[] {
    const all =
      channel === '*'
        ? [...this.#tail.values()].flat().sort((a, b) => a.order - b.order)
        : (this.#tail.get(channel) ?? []);
    // As Ceph counts: the entry before the n-th match is shown too where it matches.
    let left = n;
    let start = all.length;
    while (left > 0 && start > 0) if (all[--start]!.entry.prio >= level) left--;
    if (left === 0 && start > 0) start--;
    return all
      .slice(start)
      .map(({ entry }) => entry)
      .filter((entry) => entry.prio >= level);
  }

  /** Adds to the pending change what an operator writes with `ceph log ...`. */
  addOperatorLine(msg: string, { entity, name, addrs }: Session): void {
    this.#pending.push({
      name: entity,
      rank: name,
      addrs,
      stamp: utimeFromMs(this.context.clock.now()),
      seq: 0,
      prio: clogType.INFO,
      msg,
      channel: CLUSTER,
    });
  }
}

/** Value for a channel in `default=a cluster=b`, or of a text without channels. */
function channelValue(text: string, channel: string): string {
  let found = '';
  for (const part of text.split(/[\s,;]+/)) {
    const at = part.indexOf('=');
    if (at < 0) {
      if (found === '') found = part;
    } else if (part.slice(0, at) === channel) return part.slice(at + 1);
    else if (part.slice(0, at) === 'default') found = part.slice(at + 1);
  }
  return found;
}
