/**
 * Memory for the small encodings of every operation: they are written one behind another in slabs. What is taken keeps its whole slab, so it is for bytes that are
 * soon done with.
 */
import { Writer } from '../encoding/index.ts';

const SLAB = 32 * 1024;
let writer = new Writer(SLAB);

/** The writer, empty. Its user takes the bytes (`take`) before anybody else can ask for it. */
export function scratch(): Writer {
  // What one huge request made it grow to is not held for ever.
  if (writer.capacity > SLAB) writer = new Writer(SLAB);
  else writer.reset();
  return writer;
}
