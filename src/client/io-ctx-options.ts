import type { Snapid } from '../types/index.ts';
import type { SnapContext } from './op.ts';

/** What every operation may be given. */
export interface OpOptions {
  /**
   * Ends the wait: the promise rejects with the signal's reason. What was sent already may still happen at the OSD.
   */
  readonly signal?: AbortSignal | undefined;
  /** Ends the wait after so many milliseconds, with ETIMEDOUT; else option rados_osd_op_timeout (by default never). */
  readonly timeout_ms?: number | undefined;
  /** Mask of osdFlag that is added, as BALANCE_READS, LOCALIZE_READS, FULL_TRY. */
  readonly flags?: number | undefined;
}

export interface ReadOptions extends OpOptions {
  /** Bytes; 0. */
  readonly offset?: number | undefined;
  /** Bytes; to the end of the object. At most 2 GiB, and what option osd_max_object_size lets an object have. */
  readonly length?: number | undefined;
  /**
   * The data is put here, and the result is a view of it; `length` is then its length, where not given. Long data comes here from the network on: until the promise is settled
   * the memory is not to be used or transferred, and after a failure its content is undefined. Nothing is written once it is settled.
   */
  readonly into?: Uint8Array | undefined;
}

/** What sets one view of a pool apart from another. */
export interface IoCtxOptions {
  /** Namespace of the objects; '' is the default one, ALL_NAMESPACES (for listing) all of them. */
  readonly namespace?: string | undefined;
  /** Objects are placed by this instead of by their name, so that several lie together. */
  readonly locatorKey?: string | undefined;
  /** Reads see this snapshot. */
  readonly snapRead?: Snapid | undefined;
  /** Snapshots, of the program's own making, that writes preserve. */
  readonly snapContext?: SnapContext | undefined;
  /** Mask of osdFlag that each operation gets. */
  readonly flags?: number | undefined;
}
