import { ErrnoError, type ErrnoName, errno, errnoName } from '../base/index.ts';

/** The largest errno; results below its negative tell where CMPEXT found a difference. */
const MAX_ERRNO = 4095;

/** What failed, as far as it is known. */
export interface RadosFailure {
  /** The operation: a method of this library (`writeFull`), or of a compound the part that failed (`cmpxattr`). */
  readonly operation: string;
  /** Name of the pool. */
  readonly pool?: string | undefined;
  /** Name of the object. */
  readonly object?: string | undefined;
  /** What else there is to say, as a monitor's text. */
  readonly detail?: string | undefined;
}

/**
 * An operation that failed. `errno` is the positive number and `errnoName` (also `code`, as errors of Node have it) its name: ENOENT where there is no
 * such object or pool, EEXIST, ECANCELED where a comparison did not hold, ETIMEDOUT, EPERM and EACCES for want of caps, ESHUTDOWN after
 * `shutdown`, and whatever an object class returns.
 */
export class RadosError extends ErrnoError {
  readonly operation: string;
  readonly pool: string | undefined;
  readonly object: string | undefined;
  /** The result as the cluster gave it: negative. */
  readonly result: number;
  /** Where a comparison of content failed (EILSEQ): offset of the first byte that differs, from the start of what was compared. */
  readonly mismatchOffset: number | undefined;

  constructor(result: number, failure: RadosFailure) {
    const { operation, pool, object, detail } = failure;
    const isMismatch = result <= -MAX_ERRNO;
    const name = isMismatch ? 'EILSEQ' : errnoName(result);
    const isKnown = name in errno;
    const where = [pool, object].filter((s) => s !== undefined).join('/');
    const parts = [where === '' ? operation : `${operation} ${where}`];
    if (isMismatch) parts.push(`differs at byte ${-result - MAX_ERRNO}`);
    if (!isKnown) parts.push(name);
    if (detail !== undefined && detail !== '') parts.push(detail);
    super(isKnown ? (name as ErrnoName) : 'EIO', parts.join(': '));
    this.name = 'RadosError';
    this.operation = operation;
    this.pool = pool;
    this.object = object;
    this.result = result;
    this.mismatchOffset = isMismatch ? -result - MAX_ERRNO : undefined;
  }

  /** The errno's name. */
  get code(): string {
    return this.errnoName;
  }
}

/** Runs what talks to the cluster; errors without an operation become {@link RadosError}s of `operation`. */
export async function asRadosError<T>(operation: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ErrnoError) || error instanceof RadosError) throw error;
    throw new RadosError(-error.errno, { operation, detail: error.message.slice(error.errnoName.length + 2) });
  }
}
