import { errno } from '../../base/index.ts';
import { type Codec, DecodeError, decodeFromBytes, encodeToBytes } from '../../encoding/index.ts';
import type { OpContext } from '../ops/context.ts';

/** What a method gives: an answer, a negative errno, or both a result and an answer (which clients see who ask for it). */
export type ClassAnswer = Uint8Array | number | { readonly result: number; readonly data: Uint8Array };

/** A method: reads and changes the object through the context. Input that does not decode is answered EINVAL. */
export interface ClassMethod {
  readonly read: boolean;
  readonly write: boolean;
  run(ctx: OpContext, input: Uint8Array): ClassAnswer;
}

export type ClassMethods = Readonly<Record<string, ClassMethod>>;

const NOTHING = new Uint8Array(0);

/** An errno of 0 is an empty answer. */
export function done(result: number): Uint8Array | number {
  return result < 0 ? result : NOTHING;
}

/** A method whose input is one declared struct. */
export function methodOf<T>(
  kind: { readonly read: boolean; readonly write: boolean },
  input: Codec<T>,
  run: (ctx: OpContext, input: T) => ClassAnswer,
): ClassMethod {
  return { ...kind, run: (ctx, bytes) => run(ctx, decodeFromBytes(input, bytes)) };
}

export const READS = { read: true, write: false } as const;
export const WRITES = { read: false, write: true } as const;
export const CHANGES = { read: true, write: true } as const;

/** Decodes what a method itself stored; EIO where it is damaged. */
export function stored<T>(codec: Codec<T>, bytes: Uint8Array): T | typeof EIO {
  try {
    return decodeFromBytes(codec, bytes);
  } catch (error) {
    if (error instanceof DecodeError) return EIO;
    throw error;
  }
}

export const EIO: unique symbol = Symbol('EIO');
export const eio = -errno.EIO;
export { encodeToBytes as encoded };
