import { type CollectionId, StoreError } from '../api.ts';
import type { Onode } from './onode.ts';

/** What is told of data whose checksum differs. */
export function corruption(o: Onode, offset: number, expected: number, found: number): StoreError {
  const info = { collection: '', object: o.name.toString(), offset, expected, found };
  return new StoreError(
    'corrupt',
    `object ${info.object} at ${offset}: checksum ${found.toString(16)} found, ${expected.toString(16)} expected`,
    info,
  );
}

/** Adds the collection to what is said about damage. */
export function explain(error: unknown, collection: CollectionId = ''): Error {
  if (error instanceof StoreError) {
    const c = error.corruption;
    return c === undefined || collection === ''
      ? error
      : new StoreError('corrupt', error.message, { ...c, collection });
  }
  return new StoreError('io', error instanceof Error ? error.message : String(error));
}
