import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ErrnoError } from '../../base/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import { resolveHost, resolveService } from '../../runtime/index.ts';
import { type Utime, utimeFromMs, uuidFromRandom } from '../../types/index.ts';
import { ToolExit } from './args.ts';

/** What a tool needs of the system. Tests give their own. */
export interface ToolIo {
  out(text: string): void;
  err(text: string): void;
  /** Throws with a `code` of Node's. */
  readFile(path: string): Uint8Array;
  /** `mode`: of a file that is made. */
  writeFile(path: string, bytes: Uint8Array, mode?: number): void;
  exists(path: string): boolean;
  now(): Utime;
  newUuid(): string;
  /** Seconds on a clock that only goes forward. */
  seconds(): number;
  /** A number in [0, n). */
  random(n: number): number;
  /** Addresses of a host; or why there are none, in the words of the C library. */
  lookup(host: string): readonly string[] | string;
  /** Servers of a service, `NAME` or `NAME_DOMAIN`, as the DNS names them; undefined where it names none. */
  servers(service: string): readonly Server[] | undefined;
}

export interface Server {
  /** Within its domain. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export const systemIo: ToolIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  readFile: (path) => new Uint8Array(readFileSync(path)),
  writeFile: (path, bytes, mode) => writeFileSync(path, bytes, mode === undefined ? {} : { mode }),
  exists: existsSync,
  now: () => utimeFromMs(Date.now()),
  newUuid: () => uuidFromRandom(randomBytes(16)),
  seconds: () => performance.now() / 1000,
  random: (n) => randomInt(Math.max(1, n)),
  lookup: () => NAME_FAILURES.EAI_AGAIN,
  servers: () => undefined,
};

const NAME_FAILURES = {
  ENOTFOUND: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
} as const;

/** `io` that knows the addresses of these hosts, and this service's servers: tools run in one go, and looking up does not. */
export async function withLookups(io: ToolIo, hosts: Iterable<string>, service?: string): Promise<ToolIo> {
  const known = new Map<string, readonly string[] | string>();
  for (const host of hosts) {
    try {
      const found = host === '' ? [] : await resolveHost(host);
      known.set(host, found.length > 0 ? found : NAME_FAILURES.ENOTFOUND);
    } catch (error) {
      const code = (error as { code?: string }).code;
      known.set(host, code === 'EAI_AGAIN' ? NAME_FAILURES.EAI_AGAIN : NAME_FAILURES.ENOTFOUND);
    }
  }
  const servers = service === undefined ? undefined : await serversOf(service);
  return {
    ...io,
    lookup: (host) => known.get(host) ?? io.lookup(host),
    servers: (name) => (name === service ? servers : io.servers(name)),
  };
}

async function serversOf(service: string): Promise<Server[] | undefined> {
  const found: Server[] = [];
  for (const { name: target, ...rest } of await resolveService(service)) {
    const [address] = await resolveHost(target).catch(() => []);
    if (address !== undefined) found.push({ ...rest, name: target.replace(/\..*$/s, ''), address });
  }
  return found.length === 0 ? undefined : found;
}

const MESSAGES: Record<string, string> = {
  ENOENT: '(2) No such file or directory',
  EACCES: '(13) Permission denied',
  EISDIR: '(21) Is a directory',
  ENOTDIR: '(20) Not a directory',
  ENOSPC: '(28) No space left on device',
  EROFS: '(30) Read-only file system',
};

/** `(2) No such file or directory`, as Ceph's cpp_strerror says it. */
export function describeError(error: unknown): string {
  const code = (error as { code?: string }).code;
  return (code !== undefined && MESSAGES[code]) || String((error as Error).message);
}

/** Runs a tool: a {@link ToolExit} ends it with its status and message; input that makes no sense, with a sentence. */
export function runTool(tool: (argv: string[], io: ToolIo) => number, argv: string[], io: ToolIo = systemIo): number {
  try {
    return tool(argv, io);
  } catch (error) {
    if (error instanceof ErrnoError || error instanceof DecodeError || error instanceof RangeError) {
      io.err(`${error.message}\n`);
      return 1;
    }
    if (!(error instanceof ToolExit)) throw error;
    if (error.message !== '') io.err(error.message);
    return error.status;
  }
}
