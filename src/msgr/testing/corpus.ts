/** Recorded sessions with Ceph; see `corpus/msgr/README.md`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface RecordedSession {
  readonly file: string;
  readonly mode: 'crc' | 'secure';
  readonly revision: 0 | 1;
  /** Which program of Ceph was at the other end. */
  readonly from: 'mon' | 'client';
  readonly sessionKey: Uint8Array;
  readonly connectionSecret: Uint8Array;
  readonly sent: Uint8Array;
  readonly received: Uint8Array;
}

function folder(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    const found = join(at, 'corpus', 'msgr');
    if (existsSync(found)) return found;
  }
  throw new Error('corpus/msgr not found');
}

export function recordedSessions(): RecordedSession[] {
  const root = folder();
  return readdirSync(root)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const raw = JSON.parse(readFileSync(join(root, file), 'utf8')) as Record<string, string>;
      const bytes = (name: string): Uint8Array => Buffer.from(raw[name]!, 'hex');
      return {
        file,
        mode: raw.mode as 'crc' | 'secure',
        revision: Number(raw.revision) as 0 | 1,
        from: raw.from as 'mon' | 'client',
        sessionKey: bytes('sessionKey'),
        connectionSecret: bytes('connectionSecret'),
        sent: bytes('sent'),
        received: bytes('received'),
      };
    });
}
