/** What the commands of `rados` work with: the cluster, the pool, the options. */
import { readFileSync } from 'node:fs';
import type { IoCtx, Rados } from '../../client/index.ts';
import { decodeText } from '../../encoding/index.ts';
import type { OsdOp, OsdOpReply } from '../../messages/index.ts';
import {
  createFormatter,
  type Formatter,
  JsonFormatter,
  type PgPool,
  type PoolSnapInfo,
  poolFlag,
  poolType,
  type Snapid,
} from '../../types/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { ToolExit } from '../tools/args.ts';
import { type Flag, type NumberOption, type RadosWords, readNumbers, type ValueOption } from './options.ts';
import { err, fail, orFail, UsageExit } from './report.ts';

/** Bytes of a read or write where nothing else is asked for. */
export const OP_SIZE_DEFAULT = 1 << 22;

export interface SessionInput {
  readonly words: RadosWords;
  readonly numbers: ReadonlyMap<NumberOption, number>;
  readonly formatter: Formatter | undefined;
  readonly omapKey: string | undefined;
  readonly objName: string | undefined;
}

/** A file whose bytes stand for a name or a key. */
function nameFromFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return decodeText(readFileSync(path));
  } catch (error) {
    throw new ToolExit(1, `can't open ${path}: ${cppStrerror(errnoOf(error))}\n`);
  }
}

/** Checks options before anything is asked of a cluster. */
export function readInput(words: RadosWords): SessionInput {
  const { values } = words;
  const numbers = readNumbers(values);
  const format = values.get('format');
  const formatter = format === undefined ? undefined : createFormatter(format === '' ? 'json-pretty' : format);
  if (format !== undefined && formatter === undefined) {
    throw new ToolExit(256 - 22, `unrecognized format: ${format}\n`);
  }
  const omapKey = nameFromFile(values.get('omapKeyFile'));
  return { words, numbers, formatter, omapKey, objName: nameFromFile(values.get('objNameFile')) };
}

/** Pool and seed of `1.2a`. */
export interface PgName {
  readonly pool: number;
  readonly seed: number;
}

export function parsePgName(text: string): PgName | undefined {
  const match = /^(\d+)\.([0-9a-f]+)/i.exec(text);
  return match === null ? undefined : { pool: Number(match[1]), seed: Number.parseInt(match[2]!, 16) };
}

export class Session {
  readonly rados: Rados;
  readonly input: SessionInput;
  /** Of option --pgid. */
  readonly pg: PgName | undefined;
  readonly #io: IoCtx | undefined;
  /** Bytes of a read or write. */
  readonly opSize: number;

  constructor(
    rados: Rados,
    input: SessionInput,
    place: { pg: PgName | undefined; io: IoCtx | undefined; opSize: number },
  ) {
    this.rados = rados;
    this.input = input;
    this.pg = place.pg;
    this.#io = place.io;
    this.opSize = place.opSize;
  }

  has(flag: Flag): boolean {
    return this.input.words.flags.has(flag);
  }

  value(option: ValueOption): string | undefined {
    return this.input.words.values.get(option);
  }

  number(option: NumberOption): number | undefined {
    return this.input.numbers.get(option);
  }

  /** Undefined where the pool comes of --pgid, or of nothing. */
  get poolName(): string | undefined {
    return this.value('pool');
  }

  /** The pool's name in messages; the usage where no pool is given by name. */
  needPool(): string {
    return this.poolName ?? this.usage();
  }

  /** The pool that commands work in; the usage where there is none. */
  get io(): IoCtx {
    return this.#io ?? this.usage();
  }

  /** True where a pool is open, be it by name or by PG. */
  get hasPool(): boolean {
    return this.#io !== undefined;
  }

  usage(): never {
    throw new UsageExit();
  }

  /** --all, which --default and --namespace switch off. */
  get isEveryNamespace(): boolean {
    return this.value('namespace') === undefined && this.has('all') && !this.has('default');
  }

  get pool(): PgPool {
    return this.rados.osdMap.pool(this.io.poolId)!;
  }

  /** For commands that always have structured output. */
  get formatter(): Formatter {
    return this.input.formatter ?? new JsonFormatter(this.has('prettyFormat'));
  }

  /** An object's name and the arguments that follow it. `count`: how many must follow at least. The usage where they do not. */
  objectArgs(count = 0): [oid: string, ...rest: string[]] {
    this.needPool();
    const { objName, words } = this.input;
    const all = objName === undefined ? words.args.slice(1) : [objName, ...words.args.slice(1)];
    if (all.length < 1 + count) this.usage();
    return all as [string, ...string[]];
  }

  /** A pool by name, for commands that work with two. */
  openPool(name: string): Promise<IoCtx> {
    return this.rados.openPool(name);
  }
}

/** An erasure-coded pool that takes whole stripes only: the bytes of one. */
export function alignmentOf(pool: PgPool | undefined): number | undefined {
  if (pool === undefined || pool.type !== poolType.ERASURE) return undefined;
  return (pool.flags & poolFlag.EC_OVERWRITES) !== 0 ? undefined : pool.stripeWidth;
}

function alignedOpSize(asked: number, pool: PgPool | undefined): number {
  const align = alignmentOf(pool);
  if (align === undefined || align === 0) return asked;
  const size = Math.ceil(asked / align) * align;
  if (asked !== OP_SIZE_DEFAULT && asked !== size) err(`INFO: op_size has been rounded to ${size}\n`);
  return size;
}

/** Opens what options name: pool, PG, snapshot, locator, namespace. Throws ToolExit as Ceph's program ends. */
export async function openSession(rados: Rados, input: SessionInput): Promise<Session> {
  const { flags, values } = input.words;
  const poolName = values.get('pool');
  if (flags.has('create')) {
    if (poolName === undefined) throw new UsageExit('--create-pool requested but pool_name was not specified!\n');
    await orFail(rados.createPool(poolName), () => `error creating pool ${poolName}`);
  }
  const pgText = values.get('pgid');
  const pg = pgText === undefined ? undefined : parsePgName(pgText);
  if (pgText !== undefined) {
    const named = poolName === undefined ? undefined : rados.osdMap.poolId(poolName);
    if (pg === undefined || (poolName !== undefined && named !== pg.pool)) fail('invalid pgid');
  }
  let io: IoCtx | undefined;
  if (poolName !== undefined || pg !== undefined) {
    io = await orFail(
      rados.openPool(poolName ?? pg!.pool),
      () => `error opening pool ${poolName ?? `with id ${pg!.pool}`}`,
    );
  }
  const opSize = alignedOpSize(input.numbers.get('blockSize') ?? OP_SIZE_DEFAULT, poolOf(rados, io));
  if (io !== undefined) await selectSnapAndPlace(rados, input, io, poolName);
  else if (values.get('snap') !== undefined) fail('pool name must be specified with --snap');
  else if ((values.get('objectLocator') ?? '') !== '') fail('pool name must be specified with --object-locator');
  else if (values.has('namespace')) fail('pool name must be specified with --namespace');
  else if (input.numbers.has('snapid')) fail('pool name must be specified with --snapid');
  return new Session(rados, input, { pg, io, opSize });
}

function poolOf(rados: Rados, io: IoCtx | undefined): PgPool | undefined {
  return io === undefined ? undefined : rados.osdMap.pool(io.poolId);
}

async function selectSnapAndPlace(
  rados: Rados,
  { words: { values }, numbers }: SessionInput,
  io: IoCtx,
  poolName: string | undefined,
): Promise<void> {
  const snaps = rados.osdMap.pool(io.poolId)?.snaps ?? new Map<number, PoolSnapInfo>();
  let snapid = numbers.get('snapid');
  const snapName = values.get('snap');
  if (snapName !== undefined) {
    if (poolName === undefined) fail('pool name must be specified with --snap');
    const found = [...snaps.values()].find((s) => s.name === snapName);
    if (found === undefined) fail(`error looking up snap '${snapName}'`, { errno: 2 });
    snapid = found.id;
  }
  const locator = values.get('objectLocator') ?? '';
  if (locator !== '') {
    if (poolName === undefined) fail('pool name must be specified with --object-locator');
    io.locatorKey = locator;
  }
  const nspace = values.get('namespace');
  if (nspace !== undefined) {
    if (poolName === undefined) fail('pool name must be specified with --namespace');
    io.nspace = nspace;
  }
  if (snapid === undefined) return;
  if (poolName === undefined) fail('pool name must be specified with --snapid');
  const snap = snaps.get(snapid);
  if (snap === undefined) fail(`snapid ${snapid} doesn't exist in pool ${io.poolName}`);
  io.snapRead = snapid;
  process.stdout.write(`selected snap ${snapid} '${snap.name}'\n`);
}

/** Sends operations on one object; resolves to the reply. Rejects with an error that has `errno`. */
export function submit(io: IoCtx, oid: string, ops: OsdOp[], flags: number, snap?: Snapid): Promise<OsdOpReply> {
  return new Promise((resolve, reject) => {
    const done = (result: number, reply: OsdOpReply | undefined): void => {
      if (result < 0 || reply === undefined) reject(new ErrnoFailure(-result, oid));
      else resolve(reply);
    };
    io.submit(oid, ops, flags, done, undefined, snap);
  });
}

export class ErrnoFailure extends Error {
  readonly errno: number;

  constructor(errno: number, what: string) {
    super(`${what}: ${cppStrerror(errno)}`);
    this.errno = errno;
  }
}
