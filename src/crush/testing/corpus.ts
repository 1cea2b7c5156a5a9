import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** A file of `corpus/crush`; tests run from a build at any depth below the repository's root. */
export function corpusBytes(name: string): Buffer {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'corpus', 'crush'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no corpus folder above the tests');
    folder = above;
  }
  return readFileSync(join(folder, 'corpus', 'crush', name));
}

/** The objects of a gzipped file of JSON lines there. */
export function corpusLines<T>(name: string): T[] {
  const text = gunzipSync(corpusBytes(name)).toString();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

export const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
