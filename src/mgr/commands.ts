import { ErrnoError, errno } from '../base/index.ts';
import { type CommandArgs, type CommandSpec, FLAG_MGR, type Formatter, parseSignature } from '../types/index.ts';
import type { MgrView } from './view.ts';

/** One command as its handler sees it. */
export interface MgrCall {
  readonly args: CommandArgs;
  /** The `format` asked for; undefined for plain text. */
  readonly f: Formatter | undefined;
  readonly view: MgrView;
}

/** 0 or a negative errno, the status line (stderr) and the output (stdout). */
export interface MgrReply {
  readonly rc: number;
  readonly status: string;
  readonly out: Uint8Array | string;
}

/** A handler throws ErrnoError for an expected failure. */
export type MgrHandler = (call: MgrCall) => MgrReply;

export interface MgrCommand {
  readonly spec: CommandSpec;
  readonly run: MgrHandler;
}

/** Describes a command of the manager: its signature in the short form of {@link parseSignature}, help in our words. */
export function command(
  prefix: string,
  module: string,
  perm: string,
  signature: string,
  help: string,
  run: MgrHandler,
): MgrCommand {
  return { spec: { prefix, module, perm, flags: FLAG_MGR, args: parseSignature(signature), help }, run };
}

export function output(out: Uint8Array | string, status = ''): MgrReply {
  return { rc: 0, status, out };
}

/** What a failed command answers: the errno and the sentence, without the name in front. */
export function failed(error: ErrnoError): MgrReply {
  return { rc: -errno[error.errnoName], status: error.message.slice(error.errnoName.length + 2), out: '' };
}

/** The pool's id, or ENOENT as Ceph says it. */
export function poolIdOf(view: MgrView, name: string): number {
  const id = view.osdMap.poolId(name);
  if (id === undefined) throw new ErrnoError('ENOENT', `pool ${name} does not exist`);
  return id;
}
