import { byString, decodeFromBytes, encodeToBytes, sortedMap, string } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  type Formatter,
  formatUtime,
  type HealthCheck,
  healthMute,
  healthStatus,
  healthStatusName,
  utimeFromMs,
  utimeIsZero,
  utimeToMs,
  utimeZero,
} from '../types/index.ts';
import { type CommandRegistry, committing, failure } from './commands/registry.ts';
import { Service, type ServiceContext } from './service.ts';
import { formatSpan, parseSpan } from './timespan.ts';

/** Checks that are raised now, by code (`OSD_DOWN`). */
export type HealthChecks = Map<string, HealthCheck>;

const mutesCodec = sortedMap(string, healthMute, byString);
type Mutes = ReturnType<typeof mutesCodec.decode>;

/** Versions of the service kept. */
const KEEP_VERSIONS = 5;

/** Joins checks of two sources: the same code adds its details and counts, as Ceph merges them. */
export function mergeChecks(into: HealthChecks, from: ReadonlyMap<string, HealthCheck>): void {
  for (const [code, check] of from) {
    const before = into.get(code);
    into.set(
      code,
      before === undefined
        ? check
        : { ...before, detail: [...before.detail, ...check.detail], count: before.count + check.count },
    );
  }
}

/** What is wrong with the cluster, gathered from every service, and which of it the operator wants not to hear of. */
export class HealthMonitor extends Service {
  #mutes: Mutes = new Map();
  #pending: Mutes = new Map();
  readonly #sources: (() => ReadonlyMap<string, HealthCheck>)[] = [];
  /** For the cluster log. */
  onInfo: ((text: string) => void) | undefined;

  constructor(context: ServiceContext) {
    super('health', context);
  }

  /** Adds a source of checks, asked each time. */
  addSource(checks: () => ReadonlyMap<string, HealthCheck>): void {
    this.#sources.push(checks);
  }

  protected override createInitial(): void {}

  protected override createPending(): void {
    this.#pending = new Map(this.#mutes);
  }

  protected override encodePending(t: StoreTransaction): void {
    this.putLastCommitted(t, this.version + 1);
    t.put(this.table, 'mutes', encodeToBytes(mutesCodec, this.#pending));
  }

  protected override updateFromCommitted(): void {
    const bytes = this.context.store.get(this.table, 'mutes');
    this.#mutes = bytes === undefined ? new Map() : decodeFromBytes(mutesCodec, bytes);
  }

  protected override trimTo(): number {
    return Math.max(0, this.version - KEEP_VERSIONS);
  }

  /** Every check that is raised, sorted by code. */
  checks(): HealthChecks {
    const all: HealthChecks = new Map();
    for (const source of this.#sources) mergeChecks(all, source());
    return new Map([...all].sort(([a], [b]) => byString(a, b)));
  }

  /** Ends mutes that are over: their time has come, or what they mute has gone or got worse. */
  override tick(): void {
    if (!this.isWriteable || this.#mutes.size === 0) return;
    const now_ms = this.context.clock.now();
    const all = this.checks();
    let changed = false;
    const end = (code: string, why: string): void => {
      this.onInfo?.(`Health alert mute ${code} cleared (${why})`);
      this.#pending.delete(code);
      changed = true;
    };
    for (const [code, m] of [...this.#pending]) {
      if (!utimeIsZero(m.ttl) && utimeToMs(m.ttl) <= now_ms) {
        end(code, `passed TTL ${formatUtime(m.ttl)}`);
        continue;
      }
      if (m.sticky) continue;
      const check = all.get(code);
      if (check === undefined) end(code, 'health alert cleared');
      else if (m.count > 0 && check.count > m.count) end(code, `count increased from ${m.count} to ${check.count}`);
      else if (m.count > 0 && check.count < m.count) {
        this.#pending.set(code, { ...m, count: check.count });
        changed = true;
      } else if (m.count === 0 && check.summary !== m.summary) end(code, 'summary changed');
    }
    if (changed) this.submit();
  }

  /** The worst of what is not muted. */
  status(all = this.checks()): string {
    let worst: number = healthStatus.OK;
    for (const [code, check] of all) if (!this.#mutes.has(code)) worst = Math.min(worst, check.severity);
    return healthStatusName(worst);
  }

  dump(f: Formatter, withDetail: boolean): void {
    const all = this.checks();
    f.openObject('health');
    f.string('status', this.status(all));
    f.openObject('checks');
    for (const [code, check] of all) {
      f.openObject(code);
      f.string('severity', healthStatusName(check.severity));
      f.openObject('summary');
      f.string('message', check.summary);
      f.int('count', check.count);
      f.close();
      if (withDetail) {
        f.openArray('detail');
        for (const line of check.detail) {
          f.openObject('detail_item');
          f.string('message', line);
          f.close();
        }
        f.close();
      }
      f.bool('muted', this.#mutes.has(code));
      f.close();
    }
    f.close();
    f.openArray('mutes');
    for (const m of this.#mutes.values()) {
      f.openObject('mute');
      f.string('code', m.code);
      if (!utimeIsZero(m.ttl)) f.string('ttl', formatUtime(m.ttl));
      f.bool('sticky', m.sticky);
      f.string('summary', m.summary);
      f.int('count', m.count);
      f.close();
    }
    f.close();
    f.close();
  }

  /** `HEALTH_WARN` and what is wrong, with `first` before the first summary and `between` before the others. */
  text(withDetail: boolean, first = ' ', between = '; '): string {
    const all = this.checks();
    const left = (ttl_ms: number): string => {
      const rest_ms = ttl_ms - this.context.clock.now();
      return rest_ms > 0 ? formatSpan(rest_ms) : '0s';
    };
    const heard = [...all].filter(([code]) => !this.#mutes.has(code)).map(([, check]) => check.summary);
    let out = this.status(all);
    if (heard.length > 0) out += first + heard.join(between);
    if (this.#mutes.size > 0) {
      out += `${heard.length > 0 ? between : first}(muted:`;
      for (const m of this.#mutes.values()) {
        out += ` ${m.code}${utimeIsZero(m.ttl) ? '' : `(${left(utimeToMs(m.ttl))})`}`;
      }
      out += ')';
    }
    out += '\n';
    if (!withDetail) return out;
    for (const [code, check] of all) {
      const m = this.#mutes.get(code);
      if (m !== undefined) {
        const ttl = utimeIsZero(m.ttl) ? '' : ` ttl ${left(utimeToMs(m.ttl))}`;
        out += `(MUTED${ttl}${m.sticky ? ', STICKY' : ''}) `;
      }
      out += `[${check.severity === healthStatus.ERR ? 'ERR' : 'WRN'}] ${code}: ${check.summary}\n`;
      for (const line of check.detail) out += `    ${line}\n`;
    }
    return out;
  }

  registerCommands(commands: CommandRegistry): void {
    commands.read('health', ({ args, f }) => {
      const detail = args.strOr('detail', '') === 'detail';
      if (f === undefined) return { rc: 0, status: '', out: this.text(detail) };
      this.dump(f, detail);
      return { rc: 0, status: '', out: f.flush() };
    });
    commands.write('health mute', this, ({ args }) => {
      const code = args.str('code');
      if (code === '') return failure('EINVAL', 'must specify an alert code to mute');
      const sticky = args.flag('sticky');
      const text = args.optionalStr('ttl');
      let ttl = utimeZero;
      if (text !== undefined) {
        const seconds = parseSpan(text);
        if (seconds === undefined || seconds === 0) return failure('EINVAL', `not a valid duration: ${text}`);
        ttl = utimeFromMs(this.context.clock.now() + seconds * 1000);
      }
      const check = this.checks().get(code);
      if (!sticky && check === undefined) return failure('ENOENT', `health alert ${code} is not currently raised`);
      const told = sticky ? { summary: '', count: 0 } : { summary: check!.summary, count: check!.count };
      this.#pending.set(code, { code, ttl, sticky, ...told });
      return committing('');
    });
    commands.write('health unmute', this, ({ args }) => {
      const code = args.optionalStr('code');
      if (code === undefined) this.#pending.clear();
      else this.#pending.delete(code);
      return committing('');
    });
  }
}
