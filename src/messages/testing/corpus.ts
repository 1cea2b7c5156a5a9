import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessageParts } from '../message.ts';

/** A message as Ceph sent it, and what it means in JSON (see {@link toPlain}). */
export interface CorpusMessage {
  readonly file: string;
  readonly parts: MessageParts;
  readonly fields: unknown;
}

interface Stored {
  type: number;
  messages: {
    version: number;
    compat: number;
    priority: number;
    tid: number;
    dataOffset: number;
    front: string;
    data: string;
    fields?: unknown;
  }[];
}

/** The repository's corpus folder: tests run from a build, which may lie at any depth below the root. */
function corpusFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'corpus', 'messages'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no corpus folder above the tests');
    folder = above;
  }
  return join(folder, 'corpus', 'messages');
}

function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

export function corpusMessages(): CorpusMessage[] {
  const folder = corpusFolder();
  const all: CorpusMessage[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json')) continue;
    const stored = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Stored;
    for (const m of stored.messages) {
      const data = bytes(m.data);
      all.push({
        file,
        fields: m.fields,
        parts: {
          type: stored.type,
          version: m.version,
          compatVersion: m.compat,
          priority: m.priority,
          tid: m.tid,
          front: bytes(m.front),
          middle: new Uint8Array(0),
          data: data.length === 0 ? [] : [data],
          dataOffset: m.dataOffset,
        },
      });
    }
  }
  return all;
}

const PRINTED: ReadonlySet<string> = new Set([
  'Hobject',
  'EntityAddr',
  'EntityAddrVec',
  'IntervalSet',
  'PastIntervals',
]);

/** Fields as JSON has them: bigints as `5n`, bytes as `hex:00ff` (only their number beyond 64), maps as pairs, values that print themselves as text. */
export function toPlain(x: unknown): unknown {
  if (typeof x === 'bigint') return `${x}n`;
  if (x instanceof Uint8Array) return x.length > 64 ? `bytes:${x.length}` : `hex:${Buffer.from(x).toString('hex')}`;
  if (x instanceof Map) return { map: [...x].map(([k, v]) => [toPlain(k), toPlain(v)]) };
  if (Array.isArray(x)) return x.map(toPlain);
  if (x === undefined || x === null) return null;
  if (typeof x === 'number' && !Number.isFinite(x)) return String(x);
  if (typeof x !== 'object') return x;
  if (PRINTED.has(x.constructor.name)) return String(x);
  return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, toPlain(v)]));
}
