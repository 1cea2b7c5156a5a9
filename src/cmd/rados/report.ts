/** What `rados` says and how it ends. */
import { encodeText } from '../../encoding/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { ToolExit } from '../tools/args.ts';
import { CLIENT_USAGE, RADOS_USAGE } from './usage.ts';

export const out = (text: string): void => void process.stdout.write(encodeText(text));
export const err = (text: string): void => void process.stderr.write(encodeText(text));

/** Ends with the usage, status 1. Its last part goes to stdout, as with Ceph's program. */
export class UsageExit extends ToolExit {
  constructor(before = '') {
    super(1);
    this.#before = before;
  }
  readonly #before: string;

  print(): void {
    err(this.#before + RADOS_USAGE);
    out(CLIENT_USAGE);
  }
}

/** Throws a ToolExit with status 1: `message`, and where `error` is given, a colon and what its errno says. */
export function fail(message: string, error?: unknown): never {
  throw new ToolExit(1, error === undefined ? `${message}\n` : `${message}: ${cppStrerror(errnoOf(error))}\n`);
}

/** What a promise gives; where it fails, {@link fail} with the message. Only an errno is taken for a failure. */
export async function orFail<T>(promise: Promise<T>, message: () => string): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!isErrno(error)) throw error;
    fail(message(), error);
  }
}

export function isErrno(error: unknown): error is Error & { errno: number } {
  return typeof (error as { errno?: unknown }).errno === 'number';
}

/** A name, or that it is none that can be shown. */
export function printable(name: string): string {
  return /^[ -~]*$/.test(name) ? name : '(binary key)';
}

/** Rows of 16 bytes in hexadecimal and as text, rows of one repeated byte only once, and the length (bufferlist::hexdump). */
export function hexdump(bytes: Uint8Array): string {
  const per = 16;
  const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
  const lines: string[] = [];
  let run: number | undefined;
  let isStarred = false;
  for (let at = 0; at < bytes.length; at += per) {
    const row = bytes.subarray(at, at + per);
    const isUniform = at + per < bytes.length && row.every((b) => b === row[0]);
    if (isUniform && run === row[0]) {
      if (!isStarred) lines.push('*');
      isStarred = true;
      continue;
    }
    run = isUniform ? row[0] : undefined;
    isStarred = false;
    let line = `${hex(at, 8)} `;
    for (let i = 0; i < per; i++) {
      if (i === 8) line += ' ';
      line += i < row.length ? ` ${hex(row[i]!, 2)}` : '   ';
    }
    const text = [...row].map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
    lines.push(`${line}  |${text}|`);
  }
  return `${lines.map((l) => `${l}\n`).join('')}${bytes.length === 0 ? '' : `${hex(bytes.length, 8)}\n`}`;
}
