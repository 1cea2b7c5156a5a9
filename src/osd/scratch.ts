/**
 * Memory for the small encodings of every operation: they are written one behind another in slabs. What is kept keeps its whole slab, so it is for bytes that are soon
 * done with.
 */
import { Writer } from '../encoding/index.ts';

const SLAB = 32 * 1024;
const LARGE = SLAB / 4;
let slab = new Uint8Array(0);
let used = 0;

/** A copy of the bytes that stays as it is. */
export function keep(bytes: Uint8Array): Uint8Array {
  const n = bytes.length;
  if (n > LARGE) return bytes.slice();
  if (used + n > slab.length) {
    slab = new Uint8Array(SLAB);
    used = 0;
  }
  slab.set(bytes, used);
  used += n;
  return slab.subarray(used - n, used);
}

let writer = new Writer(SLAB);

/** The writer, empty. Its user takes the bytes (`take`) before anybody else can ask for it. */
export function scratch(): Writer {
  // What one huge request made it grow to is not held for ever.
  if (writer.capacity > SLAB) writer = new Writer(SLAB);
  else writer.reset();
  return writer;
}
