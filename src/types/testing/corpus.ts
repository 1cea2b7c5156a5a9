import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's corpus folder: tests run from a build, which may lie at any depth below the root. */
function corpusFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'corpus', 'maps'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no corpus folder above the tests');
    folder = above;
  }
  return join(folder, 'corpus');
}

/** Bytes of a corpus file, e.g. `maps/monmap-1.bin`. */
export function corpusBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(corpusFolder(), name)));
}

export function corpusText(name: string): string {
  return readFileSync(join(corpusFolder(), name), 'utf8');
}
