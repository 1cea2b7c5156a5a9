import { decodeFromBytes, encodeToBytes, plain } from '../encoding/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  type DfPool,
  dfText,
  dumpDf,
  dumpPgMapSummary,
  type Formatter,
  type HealthCheck,
  makePgMapDigest,
  type OSDMap,
  type PgMapDigest,
  type PgPool,
  type PoolStat,
  type ProgressEvent,
  pgMapDigest,
  pgMapSummaryText,
  type ServiceMap,
  serviceMap,
  serviceMapEmpty,
  statfsUsedRaw,
  utimeFromMs,
} from '../types/index.ts';
import type { CommandRegistry } from './commands/registry.ts';
import { Service, type ServiceContext } from './service.ts';

/** Versions of the statistics kept. */
const KEEP_VERSIONS = 5;
/** Reports arrive every few seconds; a burst of them makes one version. */
const REPORT_SPACING_MS = 200;

const state = plain('MgrStatMonitor', { digest: pgMapDigest, services: serviceMap });

/** Sizes that statfs answers with, in KiB. */
export interface ClusterStatfs {
  readonly kb: number;
  readonly kbUsed: number;
  readonly kbAvail: number;
  readonly numObjects: number;
}

/** Copies that a pool makes of each byte. */
export function rawUsedRate(pool: PgPool): number {
  return pool.size;
}

/** The manager's digest of PG and OSD statistics: what `ceph -s`, `df` and statfs are answered from. */
export class MgrStatMonitor extends Service {
  #digest: PgMapDigest = makePgMapDigest();
  #services: ServiceMap = serviceMapEmpty;
  #pendingDigest: PgMapDigest = this.#digest;
  #pendingServices: ServiceMap = this.#services;
  /** Checks and progress live with the leader: the next report brings them again. */
  #checks: ReadonlyMap<string, HealthCheck> = new Map();
  #progress: ReadonlyMap<string, ProgressEvent> = new Map();
  onChanged: (() => void) | undefined;

  constructor(context: ServiceContext) {
    super('mgrstat', context);
  }

  get digest(): PgMapDigest {
    return this.#digest;
  }

  get services(): ServiceMap {
    return this.#services;
  }

  get progress(): ReadonlyMap<string, ProgressEvent> {
    return this.#progress;
  }

  checks(): ReadonlyMap<string, HealthCheck> {
    return this.#checks;
  }

  protected override createInitial(): void {
    this.#pendingServices = { epoch: 1, modified: utimeFromMs(this.context.clock.now()), services: new Map() };
  }

  protected override createPending(): void {
    this.#pendingDigest = this.#digest;
    this.#pendingServices = this.#services;
  }

  protected override encodePending(t: StoreTransaction): void {
    const version = this.version + 1;
    this.putVersion(t, version, encodeToBytes(state, { digest: this.#pendingDigest, services: this.#pendingServices }));
    this.putLastCommitted(t, version);
  }

  protected override trimTo(): number {
    return Math.max(0, this.version - KEEP_VERSIONS);
  }

  protected override updateFromCommitted(): void {
    const bytes = this.getVersion(this.version);
    if (bytes === undefined) return;
    const { digest, services } = decodeFromBytes(state, bytes);
    this.#digest = digest;
    this.#services = services;
    this.onChanged?.();
  }

  /** The active manager's report. The caller has checked who sends it. */
  handleReport(
    digest: PgMapDigest,
    services: ServiceMap | undefined,
    checks: ReadonlyMap<string, HealthCheck>,
    progress: ReadonlyMap<string, ProgressEvent>,
  ): void {
    this.#checks = checks;
    this.#progress = progress;
    this.whenWriteable(() => {
      this.#pendingDigest = digest;
      if (services !== undefined) this.#pendingServices = services;
      this.submitPaced(REPORT_SPACING_MS);
    });
  }

  poolStat(pool: number): PoolStat | undefined {
    return this.#digest.poolSum.get(pool);
  }

  /** Bytes that can still be written to a pool. */
  poolFree(pool: PgPool): number {
    const raw = Math.max(0, this.#digest.availableByRule.get(pool.crushRule) ?? 0);
    return Math.floor(raw / rawUsedRate(pool));
  }

  statfs(map: OSDMap, pool: number | undefined): ClusterStatfs {
    const stat = pool === undefined ? undefined : this.#digest.poolSum.get(pool);
    const info = pool === undefined ? undefined : map.pool(pool);
    if (stat !== undefined && info !== undefined) {
      const kbUsed = Math.floor(stat.stats.numBytes / 1024);
      const kbAvail = Math.floor(this.poolFree(info) / 1024);
      return { kb: kbUsed + kbAvail, kbUsed, kbAvail, numObjects: stat.stats.numObjects };
    }
    const { statfs } = this.#digest.osdSum;
    return {
      kb: Math.floor(statfs.total / 1024),
      kbUsed: Math.floor(statfsUsedRaw(statfs) / 1024),
      kbAvail: Math.floor(statfs.available / 1024),
      numObjects: this.#digest.pgSum.stats.numObjects,
    };
  }

  dumpSummary(f: Formatter): void {
    dumpPgMapSummary(f, this.#digest);
  }

  summaryText(): string {
    return pgMapSummaryText(this.#digest);
  }

  registerCommands(commands: CommandRegistry, osdMap: () => OSDMap): void {
    commands.read('df', ({ args, f }) => {
      const verbose = args.strOr('detail', '') === 'detail';
      const map = osdMap();
      const pools: DfPool[] = [];
      for (const [id, pool] of map.pools) {
        pools.push({
          id,
          name: map.poolName(id) ?? '',
          pgNum: pool.pgNum,
          rawUsedRate: rawUsedRate(pool),
          availableRaw: Math.max(0, this.#digest.availableByRule.get(pool.crushRule) ?? 0),
          quotaObjects: pool.quotaMaxObjects,
          quotaBytes: pool.quotaMaxBytes,
          isTier: pool.isTier,
        });
      }
      if (f === undefined) return { rc: 0, status: '', out: dfText(this.#digest, pools, verbose) };
      f.openObject('stats');
      dumpDf(f, this.#digest, pools, verbose);
      f.close();
      return { rc: 0, status: '', out: `${f.flush()}\n` };
    });
    commands.readLines('osd last-stat-seq', ({ args, f }) => {
      const seq = this.#digest.osdLastSeq[args.num('id')] ?? 0n;
      if (f === undefined) return { rc: 0, status: '', out: String(seq) };
      f.int('seq', seq);
      return { rc: 0, status: '', out: f.flush() };
    });
  }
}
