import { BLOCK_SIZE } from './format.ts';

const SLAB_BLOCKS = 64;

/**
 * Buffers of one block each, used again and again: data waits in them for its checkpoint. Whoever takes one gives it back exactly
 * once; memory stays at the most that was ever out at one time.
 */
export class BlockPool {
  readonly #idle: Uint8Array[] = [];
  #made = 0;

  /** Content is whatever it was. */
  take(): Uint8Array {
    const block = this.#idle.pop();
    if (block !== undefined) return block;
    const slab = new ArrayBuffer(SLAB_BLOCKS * BLOCK_SIZE);
    for (let i = 1; i < SLAB_BLOCKS; i++) this.#idle.push(new Uint8Array(slab, i * BLOCK_SIZE, BLOCK_SIZE));
    this.#made += SLAB_BLOCKS;
    return new Uint8Array(slab, 0, BLOCK_SIZE);
  }

  give(block: Uint8Array): void {
    this.#idle.push(block);
  }

  /** Gives memory back where more than so many blocks are idle. A slab goes once all its blocks are gone. */
  shrink(idle_max: number): void {
    if (this.#idle.length <= idle_max + SLAB_BLOCKS) return;
    this.#made -= this.#idle.length - idle_max;
    this.#idle.length = idle_max;
  }

  /** Blocks out at the moment. */
  get taken(): number {
    return this.#made - this.#idle.length;
  }

  get memory(): number {
    return this.#made * BLOCK_SIZE;
  }
}
