import type { Disk } from '../../base/index.ts';
import { StoreError } from '../api.ts';
import { BLOCK_SIZE, FORMAT_FILE, FORMAT_NAME, FORMAT_VERSION, NO_BLOCK } from './format.ts';

/** A file system with less than this part of it free is short of space. */
const SHORT = 0.1;

/** The directory that a store lies in: its files by name, and the small ones' text. */
export class StoreDirectory {
  readonly #disk: Disk;
  readonly path: string;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.path = path;
  }

  /** Bytes of the device that `block` leads to, as far as a store reaches; undefined where it is a file or not there. */
  deviceSize(): number | undefined {
    const disk = this.#disk;
    if (!disk.exists(this.file('block'))) return undefined;
    const block = disk.openFile(this.file('block'));
    try {
      if (block.isDevice !== true) return undefined;
      return Math.min(Math.floor(block.size() / BLOCK_SIZE), NO_BLOCK - 1) * BLOCK_SIZE;
    } finally {
      block.close();
    }
  }

  /** The version of the store's format. Throws where it is none that this program reads. */
  checkVersion(): number {
    const text = this.readText(FORMAT_FILE);
    if (text === undefined) throw new StoreError('invalid', `${this.path} holds no store; make one with mkfs`);
    const [name, version] = text.split(' ');
    if (name !== FORMAT_NAME) {
      throw new StoreError('version', `${this.path} holds a store of type "${text}", this program uses ${FORMAT_NAME}`);
    }
    if (!(Number(version) <= FORMAT_VERSION)) {
      throw new StoreError(
        'version',
        `${this.path} was written by a newer version (format ${version}, this program knows ${FORMAT_VERSION}): use that one`,
      );
    }
    return Number(version);
  }

  /** Whether others would be glad of the space that a block file takes and does not need. False where the file system cannot say. */
  isShort(): boolean {
    try {
      const { total, free } = this.#disk.statfs(this.file('block'));
      return free < total * SHORT;
    } catch {
      // The file's name is gone, or the disk is: what is written and read says that.
      return false;
    }
  }

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  readText(name: string): string | undefined {
    const bytes = this.#disk.readFile(this.file(name));
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes).replace(/\n$/, '');
  }

  writeText(name: string, text: string): void {
    this.#disk.writeFileAtomic(this.file(name), new TextEncoder().encode(`${text}\n`));
  }
}

export function checkMetaKey(key: string): void {
  if (!/^[a-z][a-z0-9_.-]*$/.test(key) || ['kv', 'kv-lock', 'log', 'block', FORMAT_FILE].includes(key)) {
    throw new StoreError('invalid', `${JSON.stringify(key)} is no name for a value beside the collections`);
  }
}
