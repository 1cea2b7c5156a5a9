/** Commands to the daemon: by the admin socket, and by `ceph tell osd.N` (MCommand). */
import { ErrnoError, errno } from '../base/index.ts';
import { optionSpecs } from '../config/index.ts';
import { DecodeError } from '../encoding/index.ts';
import { MCommand, MCommandReply } from '../messages/index.ts';
import type { ReceivedMessage } from '../msgr/index.ts';
import { Transaction } from '../store/index.ts';
import {
  CEPH_RELEASE_NAME,
  CEPH_VERSION_COMMIT,
  CEPH_VERSION_SHORT,
  type CommandArgs,
  type CommandSpec,
  describeCommands,
  formatEversion,
  formatPgId,
  formatPgState,
  parsePgId,
  parseSignature,
  validateArgs,
} from '../types/index.ts';
import type { Osd } from './osd.ts';
import { META_COLLECTION, metaObject } from './osd-maps.ts';
import { perfDump, perfSchema } from './perf.ts';
import { stateNames } from './pg/peering.ts';
import type { Pg } from './pg/pg.ts';
import type { Session } from './session.ts';

export interface CommandReply {
  /** 0, or a negative errno. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Answer = unknown | Promise<unknown>;

interface Command {
  readonly spec: CommandSpec;
  readonly run: (args: CommandArgs) => Answer;
}

/** Bytes that one bench may write. */
const BENCH_BYTES_MAX = 4 * 2 ** 30;
const BENCH_BLOCK_MAX = 64 * 2 ** 20;

/** A reply that is not JSON. */
class Plain {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function specOf(prefix: string, signature: string, help: string): CommandSpec {
  return { prefix, args: parseSignature(signature), module: 'osd', perm: 'rw', flags: 0, help };
}

export class Commands {
  readonly #osd: Osd;
  readonly #table = new Map<string, Command>();

  constructor(osd: Osd) {
    this.#osd = osd;
    this.#fill();
  }

  #add(prefix: string, signature: string, help: string, run: (args: CommandArgs) => Answer): void {
    this.#table.set(prefix, { spec: specOf(prefix, signature, help), run });
  }

  #fill(): void {
    const osd = this.#osd;
    const version = (): unknown => ({
      version: CEPH_VERSION_SHORT,
      release: CEPH_RELEASE_NAME,
      release_type: 'stable',
    });
    this.#add('version', '', 'show which version of Ceph this stands for', version);
    this.#add('git_version', '', 'show which commit this was built from', () => ({ git_version: CEPH_VERSION_COMMIT }));
    this.#add('0', '', '', () => 2);
    this.#add('status', '', 'show what the OSD is doing', () => ({
      cluster_fsid: osd.superblock.clusterFsid,
      osd_fsid: osd.superblock.osdFsid,
      whoami: osd.whoami,
      state: osd.state,
      oldest_map: osd.superblock.oldestMap,
      cluster_osdmap_trim_lower_bound: osd.superblock.clusterOsdmapTrimLowerBound,
      newest_map: osd.superblock.newestMap,
      num_pgs: osd.pgs.size,
    }));
    this.#add('help', '', 'list the commands', () => {
      const out: Record<string, string> = {};
      for (const [prefix, c] of [...this.#table].sort((a, b) => (a[0] < b[0] ? -1 : 1))) out[prefix] = c.spec.help;
      return out;
    });
    this.#add(
      'get_command_descriptions',
      '',
      'list the commands',
      () => new Plain(describeCommands([...this.#table.values()].map((c) => c.spec))),
    );
    this.#table.delete('0');
    this.#config();
    this.#perf();
    this.#ops();
    this.#pgs();
    this.#add('get_latest_osdmap', '', 'ask the monitors for the newest map now', () => {
      osd.sawEpoch(Number.MAX_SAFE_INTEGER);
      return new Plain('');
    });
    this.#add('flush_pg_stats', '', 'report PG statistics to the manager now', () => {
      const seq = osd.osdStat().seq;
      osd.reporter.sendPgStats();
      return new Plain(`${seq}\n`);
    });
    this.#add('send_beacon', '', 'tell the monitors now that this OSD is alive', () => {
      osd.sendBeacon();
      return new Plain('');
    });
    this.#add(
      'bench',
      'count?:Int size?:Int object_size?:Int object_num?:Int',
      'write count bytes (1 GiB) in pieces of size bytes (4 MiB) and tell how fast that was',
      (args) => this.#bench(args),
    );
    this.#add('dump_osd_network', 'value?:Int', 'show how long heartbeats to peers take', () => ({
      threshold: 1000,
      entries: [],
    }));
    this.#add('dump_blocklist', '', 'show which clients are blocklisted, and until when', () =>
      [...osd.map.blocklist.keys()].map((addr) => ({ entity_addr_t: addr })),
    );
    this.#add('dump_watchers', '', 'show who watches which objects', () => this.#watchers());
    this.#add('dump_messenger', '', 'connections by messenger', () => osd.messengerStats);
  }

  #config(): void {
    const { config } = this.#osd;
    this.#add('config show', '', 'show every option and its value', () => {
      const out: Record<string, string> = {};
      for (const name of [...optionSpecs().keys()].sort()) out[name] = config.text(name);
      return out;
    });
    this.#add('config get', 'var:String', 'show the value of an option', (args) => {
      const name = args.str('var');
      return { [name]: config.text(name) };
    });
    this.#add('config set', 'var:String val*:String', 'set an option until the daemon ends', (args) => {
      const name = args.str('var');
      config.set('override', name, args.list('val').join(' '));
      this.#osd.configChanged();
      return { success: `${name} = '${config.text(name)}' ` };
    });
    this.#add('config unset', 'var:String', 'take back what config set did', (args) => {
      const name = args.str('var');
      config.unset('override', name);
      this.#osd.configChanged();
      return { success: `${name} = '${config.text(name)}' ` };
    });
    const diff = (names: readonly string[]): unknown => {
      const out: Record<string, Record<string, string>> = {};
      for (const name of names) {
        const sources: Record<string, string> = {};
        for (const { layer, text } of config.sources(name)) sources[layer] = text;
        sources.final = config.text(name);
        out[name] = sources;
      }
      return { diff: out };
    };
    this.#add('config diff', '', 'show the options that differ from their defaults, and where from', () =>
      diff(config.changed()),
    );
    this.#add('config diff get', 'var:String', 'show where the value of one option comes from', (args) =>
      diff([args.str('var')]),
    );
    this.#add('config help', 'var?:String', 'show what is known of an option', (args) => {
      const spec = config.spec(args.str('var'));
      return { name: spec.name, type: spec.type, default: spec.default };
    });
    this.#add('injectargs', 'injected_args*:String', 'set options given as --name=value', (args) => {
      const words = args
        .list('injected_args')
        .join(' ')
        .split(/\s+/)
        .filter((w) => w !== '');
      let said = '';
      for (let i = 0; i < words.length; i++) {
        const m = /^--?([^=]+)(?:=(.*))?$/s.exec(words[i]!);
        if (m === null) throw new ErrnoError('EINVAL', `not an option: '${words[i]}'`);
        const value = m[2] ?? words[++i] ?? '';
        const name = m[1]!.replaceAll('-', '_');
        config.set('override', name, value);
        said += `${name} = '${config.text(name)}' `;
      }
      this.#osd.configChanged();
      return new Plain(said);
    });
  }

  #perf(): void {
    const osd = this.#osd;
    const pick = (args: CommandArgs): unknown => {
      const all = perfDump(osd);
      const logger = args.optionalStr('logger');
      const counter = args.optionalStr('counter');
      if (logger === undefined || logger === '') return all;
      const group = all[logger];
      if (group === undefined) return {};
      if (counter === undefined || counter === '') return { [logger]: group };
      return counter in group ? { [logger]: { [counter]: group[counter] } } : {};
    };
    this.#add('perf dump', 'logger?:String counter?:String', 'show the counters', pick);
    this.#add('perfcounters_dump', '', '', () => perfDump(osd));
    this.#add('perf schema', '', 'show which counters there are', () => perfSchema(osd));
    this.#add('perfcounters_schema', '', '', () => perfSchema(osd));
  }

  #ops(): void {
    const { tracker } = this.#osd;
    const filter = 'filterstr?*:String';
    this.#add('dump_ops_in_flight', filter, 'show the operations that run now', () => tracker.dumpInFlight());
    this.#add('ops', filter, 'show the operations that run now', () => tracker.dumpInFlight());
    this.#add('dump_historic_ops', filter, 'show operations that ended lately', () => tracker.dumpHistory());
    this.#add('dump_historic_ops_by_duration', filter, 'show the slowest operations that ended lately', () =>
      tracker.dumpHistory(),
    );
  }

  #pgs(): void {
    const osd = this.#osd;
    this.#add('pg', 'pgid:Pgid cmd:Choices(query|list_unfound)', '', (args) => {
      const pg = this.#pgOf(args.str('pgid'));
      return args.str('cmd') === 'query' ? this.#query(pg) : this.#unfound(pg);
    });
    this.#add('query', 'pgid:Pgid', 'show all about one PG', (args) => this.#query(this.#pgOf(args.str('pgid'))));
    this.#add('list_unfound', 'pgid:Pgid offset?:String', 'list the objects of which a PG finds no copy', (args) =>
      this.#unfound(this.#pgOf(args.str('pgid'))),
    );
    this.#add('dump_pgstate_history', '', 'show the state that each PG is in (earlier ones are not kept yet)', () => ({
      pgs: [...osd.pgs.values()].map((pg) => ({ pg: formatPgId(pg.pgid), currently: stateNames[pg.state] })),
    }));
    this.#add('get_mapped_pools', '', 'show the pools with PGs on this OSD', () => ({
      mapped_pools: [...new Set([...osd.pgs.values()].map((pg) => pg.pool))].sort((a, b) => a - b),
    }));
  }

  #pgOf(text: string): Pg {
    const id = parsePgId(text);
    if (id === undefined) throw new ErrnoError('EINVAL', `'${text}' is no PG id`);
    const pg = this.#osd.find(id);
    if (pg === undefined) throw new ErrnoError('ENOENT', `i don't have pgid ${text}`);
    return pg;
  }

  #query(pg: Pg): unknown {
    const { info, peering } = pg;
    const h = info.history;
    return {
      snap_trimq: '[]',
      snap_trimq_len: 0,
      state: formatPgState(info.stats.state),
      epoch: pg.mapEpoch,
      up: peering.mapping.up,
      acting: peering.mapping.acting,
      acting_recovery_backfill: [...peering.participants].map(String),
      info: {
        pgid: formatPgId(pg.pgid),
        last_update: formatEversion(info.lastUpdate),
        last_complete: formatEversion(info.lastComplete),
        log_tail: formatEversion(info.logTail),
        last_user_version: info.lastUserVersion,
        last_backfill: String(info.lastBackfill),
        history: {
          epoch_created: h.epochCreated,
          epoch_pool_created: h.epochPoolCreated,
          last_epoch_started: h.lastEpochStarted,
          last_interval_started: h.lastIntervalStarted,
          last_epoch_clean: h.lastEpochClean,
          last_interval_clean: h.lastIntervalClean,
          same_up_since: h.sameUpSince,
          same_interval_since: h.sameIntervalSince,
          same_primary_since: h.samePrimarySince,
        },
        stats: {
          version: formatEversion(info.stats.version),
          reported_seq: info.stats.reportedSeq,
          reported_epoch: info.stats.reportedEpoch,
          state: formatPgState(info.stats.state),
          log_size: pg.log.length,
          num_objects: info.stats.stats.numObjects,
          num_bytes: info.stats.stats.numBytes,
        },
        empty: info.isEmpty ? 1 : 0,
        dne: info.dne ? 1 : 0,
        incomplete: info.isIncomplete ? 1 : 0,
        last_epoch_started: info.lastEpochStarted,
      },
      peer_info: [...peering.peerInfo].map(([osd, i]) => ({
        peer: String(osd),
        last_update: formatEversion(i.lastUpdate),
        last_complete: formatEversion(i.lastComplete),
        log_tail: formatEversion(i.logTail),
        missing: peering.peerMissing.get(osd)?.size ?? 0,
      })),
      recovery_state: [
        { name: stateNames[pg.state], blocked_by: peering.blockedBy, missing: pg.missing.size },
        { name: 'Started' },
      ],
      agent_state: {},
    };
  }

  #unfound(pg: Pg): unknown {
    const objects = [...pg.missing.items()].filter((i) => pg.peering.sourcesOf(i.oid, i.key, i.need).length === 0);
    return {
      num_missing: pg.missing.size,
      num_unfound: objects.length,
      objects: objects.map((i) => ({
        oid: { oid: i.oid.oid, key: i.oid.key, hash: i.oid.hash, pool: i.oid.pool, namespace: i.oid.nspace },
        need: formatEversion(i.need),
        have: formatEversion(i.have),
        locations: [],
      })),
      more: false,
    };
  }

  #watchers(): unknown {
    const out: unknown[] = [];
    for (const pg of this.#osd.pgs.values()) {
      for (const obc of pg.path.contexts()) {
        for (const w of obc.oi.watchers?.values() ?? []) {
          out.push({
            namespace: obc.oid.nspace,
            object: obc.oid.oid,
            entity_name: { type: 'client', num: w.entity.num },
            cookie: Number(w.cookie),
            timeout: w.timeout_s,
            entity_addr_t: String(w.addr),
          });
        }
      }
    }
    return { watchers: out };
  }

  /** Writes to the store alone, in blocks; removes what it wrote. */
  async #bench(args: CommandArgs): Promise<unknown> {
    const { store, clock } = this.#osd;
    const count = args.numOr('count', 2 ** 30);
    const size = args.numOr('size', 4 * 2 ** 20);
    if (size <= 0 || size > BENCH_BLOCK_MAX) {
      throw new ErrnoError('EINVAL', `size must be between 1 and ${BENCH_BLOCK_MAX}`);
    }
    if (count <= 0 || count > BENCH_BYTES_MAX) {
      throw new ErrnoError('EINVAL', `count must be between 1 and ${BENCH_BYTES_MAX}`);
    }
    const block = this.#osd.entropy.bytes(Math.min(size, 65_536));
    const data = new Uint8Array(size);
    for (let at = 0; at < size; at += block.length) data.set(block.subarray(0, Math.min(block.length, size - at)), at);
    const blocks = Math.max(1, Math.floor(count / size));
    const started = clock.monotonic();
    for (let i = 0; i < blocks; i++) {
      const t = new Transaction();
      t.write(META_COLLECTION, metaObject(`disk_bw_test_${i}`), 0, data);
      await new Promise<void>((resolve) => store.queueTransactions(META_COLLECTION, [t], resolve));
    }
    const elapsed = Math.max(1e-6, (clock.monotonic() - started) / 1000);
    for (let i = 0; i < blocks; i++) {
      const t = new Transaction();
      t.remove(META_COLLECTION, metaObject(`disk_bw_test_${i}`));
      await new Promise<void>((resolve) => store.queueTransactions(META_COLLECTION, [t], resolve));
    }
    return {
      bytes_written: blocks * size,
      blocksize: size,
      elapsed_sec: elapsed,
      bytes_per_sec: (blocks * size) / elapsed,
      iops: blocks / elapsed,
    };
  }

  // --- running ----------------------------------------------------------------------------------------------------------------

  async #run(given: Readonly<Record<string, unknown>>): Promise<CommandReply> {
    const prefix = typeof given.prefix === 'string' ? given.prefix : '';
    const command = this.#table.get(prefix);
    if (command === undefined) {
      return {
        code: -errno.EINVAL,
        out: '',
        err: `command '${prefix}' is not known here; 'help' lists those that are`,
      };
    }
    try {
      const answer = await command.run(validateArgs(command.spec, given));
      if (answer instanceof Plain) return { code: 0, out: answer.text, err: '' };
      const pretty = given.format !== 'json';
      return {
        code: 0,
        out: `${JSON.stringify(answer, undefined, pretty ? 4 : undefined)}${pretty ? '\n' : ''}`,
        err: '',
      };
    } catch (error) {
      if (error instanceof ErrnoError) {
        return { code: -error.errno, out: '', err: error.message.slice(error.errnoName.length + 2) };
      }
      throw error;
    }
  }

  /** A command of the admin socket. */
  admin(command: Readonly<Record<string, unknown>>): Promise<CommandReply> {
    return this.#run(command);
  }

  /** MCommand: `ceph tell`. Only those who may do everything. */
  handle(message: ReceivedMessage, session: Session): void {
    const m = MCommand.decode(message);
    message.release();
    const reply = (r: CommandReply): void => {
      message.connection.send(
        MCommandReply.encode(
          { result: r.code, text: r.err, data: new TextEncoder().encode(r.out) },
          { tid: message.tid },
        ),
      );
    };
    if (m.fsid !== this.#osd.superblock.clusterFsid) {
      reply({ code: -errno.EINVAL, out: '', err: 'the command is for another cluster' });
      return;
    }
    let given: Record<string, unknown>;
    try {
      given = JSON.parse(m.cmd.join('')) as Record<string, unknown>;
      if (typeof given !== 'object' || given === null) throw new DecodeError('not an object', 0);
    } catch {
      reply({ code: -errno.EINVAL, out: '', err: 'the command is not valid JSON' });
      return;
    }
    if (!session.allowsCommand(String(given.prefix), given)) {
      reply({ code: -errno.EPERM, out: '', err: 'access denied: this needs osd caps that allow everything' });
      return;
    }
    this.#run(given).then(reply, (error: unknown) => {
      this.#osd.fatal(error);
    });
  }
}
