import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of corpus/auth: tests run from a build, at any depth below the root. */
function corpusFile(name: string): Buffer {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'corpus', 'auth'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no corpus folder above the tests');
    folder = above;
  }
  return readFileSync(join(folder, 'corpus', 'auth', name));
}

export function corpusBytes(name: string): Uint8Array {
  return new Uint8Array(corpusFile(name));
}

export function corpusText(name: string): string {
  return corpusFile(name).toString('utf8');
}

export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Payloads (hex) of one connection's AUTH_* frames. */
export interface CapturedHandshake {
  readonly AUTH_REQUEST: string;
  readonly AUTH_REPLY_MORE: string;
  readonly AUTH_REQUEST_MORE: string;
  readonly AUTH_DONE: string;
  readonly AUTH_BAD_METHOD: string;
}

export interface Handshakes {
  readonly entity: string;
  readonly key: string;
  readonly mon: CapturedHandshake;
  readonly mgr: CapturedHandshake;
  readonly osd: CapturedHandshake;
  readonly unknownEntity: CapturedHandshake;
  readonly rotating: Readonly<Record<string, { readonly key: string; readonly reply: string }>>;
}

export function handshakes(): Handshakes {
  return JSON.parse(corpusText('handshakes.json')) as Handshakes;
}
