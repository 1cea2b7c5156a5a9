/** Names of what `rados bench` writes, and the object that tells a later run of it. */
import { hostname } from 'node:os';
import type { IoCtx } from '../../client/index.ts';
import { Reader, Writer } from '../../encoding/index.ts';
import { readData } from './reads.ts';
import { ErrnoFailure } from './session.ts';

export const BENCH_PREFIX = 'benchmark_data';
/** Where nothing else is asked for. */
export const LAST_RUN = 'benchmark_last_metadata';
const ENOENT = 2;

export function hostPrefix(): string {
  return `${BENCH_PREFIX}_${hostname()}`;
}

export function runPrefix(pid: number): string {
  return `${hostPrefix()}_${pid}`;
}

export function benchObject(pid: number, n: number): string {
  return `${runPrefix(pid)}_object${n}`;
}

/** What a run leaves behind. */
export interface BenchRun {
  readonly objectSize: number;
  readonly opSize: number;
  /** Operations that were done. */
  readonly ops: number;
  readonly pid: number;
}

/** Objects that a run may have made. */
export function objectsOf({ ops, objectSize, opSize }: BenchRun): number {
  const perObject = opSize > 0 && objectSize > opSize ? Math.floor(objectSize / opSize) : 1;
  return Math.floor((ops + perObject - 1) / perObject);
}

/** ENOENT where there is none. */
export async function readRun(io: IoCtx, name: string): Promise<BenchRun> {
  const bytes = await readData(io, name, 24, 0);
  if (bytes.length === 0) throw new ErrnoFailure(ENOENT, name);
  const r = new Reader(bytes);
  const objectSize = r.u64num();
  const ops = r.s32();
  const pid = r.s32();
  return { objectSize, ops, pid, opSize: r.remaining >= 8 ? r.u64num() : objectSize };
}

export async function writeRun(io: IoCtx, name: string, { objectSize, opSize, ops, pid }: BenchRun): Promise<void> {
  const w = new Writer();
  w.u64num(objectSize);
  w.s32(ops);
  w.s32(pid);
  w.u64num(opSize);
  await io.writeFull(name, w.bytes());
}
