/** Commands of `rados` for watches, notifies and advisory locks. */
import type { LockType } from '../../client/index.ts';
import { Writer } from '../../encoding/index.ts';
import { dumpArray, dumpObject, formatUtime, parseEntityName, utimeFromMs, utimeZero } from '../../types/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { parseIec } from './options.ts';
import { readWatchers } from './reads.ts';
import { err, hexdump, isErrno, orFail, out } from './report.ts';
import type { Session } from './session.ts';

const EINVAL = 22;
const ETIMEDOUT = 110;
/** Seconds that a notify waits for answers. */
const NOTIFY_TIMEOUT_MS = 10_000;

/** Resolves when somebody presses enter, or stdin ends. */
function enterPressed(): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      process.stdin.pause();
      resolve();
    };
    process.stdin.once('data', done);
    process.stdin.once('end', done);
  });
}

export async function watch(session: Session): Promise<number> {
  session.needPool();
  const oid = session.input.words.args[1] ?? session.usage();
  try {
    const handle = await session.io.watch(
      oid,
      ({ notifyId, notifierGid, payload, ack }) => {
        out(`NOTIFY cookie ${handle.cookie} notify_id ${notifyId} from ${notifierGid}\n${hexdump(payload)}`);
        ack(payload);
      },
      {
        onError: (error) => out(`ERROR cookie ${handle.cookie} err ${cppStrerror(errnoOf(error))}\n`),
        reconnect: false,
      },
    );
    out('press enter to exit...\n');
    await enterPressed();
    await handle.unwatch().catch(() => {});
    return 0;
  } catch (error) {
    if (!isErrno(error)) throw error;
    err(`error calling watch: ${cppStrerror(error.errno)}\n`);
    return -error.errno;
  }
}

export async function notify(session: Session): Promise<number> {
  session.needPool();
  const [, oid, message] = session.input.words.args;
  if (oid === undefined || message === undefined) return session.usage();
  const w = new Writer();
  w.string(message);
  const failed = (code: number): number => {
    err(`error calling notify: ${cppStrerror(code)}\n`);
    return -code;
  };
  try {
    const { acks, timeouts } = await session.io.notify(oid, w.bytes(), NOTIFY_TIMEOUT_MS);
    const result = timeouts.length > 0 ? failed(ETIMEDOUT) : 0;
    for (const { gid, cookie, payload } of acks) {
      out(`reply client.${gid} cookie ${cookie} : ${payload.length} bytes\n${hexdump(payload)}`);
    }
    for (const { gid, cookie } of timeouts) out(`timeout client.${gid} cookie ${cookie}\n`);
    return result;
  } catch (error) {
    if (!isErrno(error)) throw error;
    return failed(error.errno);
  }
}

export async function listwatchers(session: Session): Promise<number> {
  const pool = session.needPool();
  const oid = session.input.words.args[1] ?? session.usage();
  const watchers = await orFail(readWatchers(session.io, oid), () => `error listing watchers ${pool}/${oid}`);
  for (const { name, cookie, addr } of watchers) {
    out(`watcher=${addr.legacyText} client.${name.num} cookie=${cookie}\n`);
  }
  return 0;
}

// --- locks: the class `lock` (cls_lock) keeps them as attributes of the object

async function called<T>(promise: Promise<T>, what: string): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!isErrno(error)) throw error;
    err(`ERROR: ${what}: ${cppStrerror(error.errno)}\n`);
    throw new LockFailure(error.errno);
  }
}

class LockFailure extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(cppStrerror(errno));
    this.errno = errno;
  }
}

function refuse(message: string): never {
  err(`${message}\n`);
  throw new LockFailure(EINVAL);
}

interface LockOptions {
  readonly tag: string;
  readonly cookie: string;
  readonly description: string;
  readonly duration_ms: number;
  readonly type: LockType;
}

function lockOptions(session: Session): LockOptions {
  let duration_s = 0;
  const text = session.value('lockDuration');
  if (text !== undefined) {
    try {
      duration_s = Number(parseIec(text));
    } catch (error) {
      refuse(`Invalid value for lock-duration: ${(error as Error).message}`);
    }
  }
  const type = session.value('lockType') ?? 'exclusive';
  if (type !== 'exclusive' && type !== 'shared') refuse('unknown lock type was specified, aborting');
  return {
    tag: session.value('lockTag') ?? '',
    cookie: session.value('lockCookie') ?? '',
    description: session.value('lockDescription') ?? '',
    duration_ms: duration_s * 1000,
    type,
  };
}

export async function lock(session: Session): Promise<number> {
  session.needPool();
  try {
    await lockCommand(session);
    return 0;
  } catch (error) {
    if (error instanceof LockFailure) return -error.errno;
    throw error;
  }
}

async function lockCommand(session: Session): Promise<void> {
  const [, verb, oid, name, locker] = session.input.words.args;
  if (verb === undefined || oid === undefined) session.usage();
  const options = lockOptions(session);
  const { io } = session;
  if (verb === 'list') {
    const names = await called(io.listLocks(oid!), 'rados_list_locks()');
    const f = session.formatter;
    dumpObject(f, 'object', () => {
      f.string('objname', oid!);
      dumpArray(f, 'locks', names, (lockName) => dumpObject(f, 'lock', () => f.string('name', lockName)));
    });
    out(f.flush());
    return;
  }
  if (name === undefined) session.usage();
  if (verb === 'info') return lockInfo(session, oid!, name!);
  if (verb === 'get') {
    await called(io.lock(oid!, name!, options), 'failed locking');
    return;
  }
  if (locker === undefined || verb !== 'break') session.usage();
  if (parseEntityName(locker!) === undefined) refuse(`ERROR: failed to parse locker name (${locker})`);
  await called(io.breakLock(oid!, name!, locker!, options.cookie), 'failed breaking lock');
}

async function lockInfo(session: Session, oid: string, name: string): Promise<void> {
  const { holders, type, tag } = await called(session.io.lockInfo(oid, name), 'rados_lock_get_lock_info()');
  const f = session.formatter;
  dumpObject(f, 'lock', () => {
    f.string('name', name);
    f.string('type', type);
    f.string('tag', tag);
    dumpArray(f, 'lockers', holders, ({ client, cookie, description, expires_ms, address }) =>
      dumpObject(f, 'locker', () => {
        f.string('name', client);
        f.string('cookie', cookie);
        f.string('description', description);
        f.string('expiration', formatUtime(expires_ms === undefined ? utimeZero : utimeFromMs(expires_ms)));
        f.string('addr', address);
      }),
    );
  });
  out(f.flush());
}
