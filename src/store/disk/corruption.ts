import { StoreError } from '../api.ts';
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
