import { DecodeError } from '../encoding/index.ts';

/**
 * Authentication that fails for a reason the other side may know only by its errno. `message` is for this side's log and
 * holds no secret.
 */
export class AuthError extends Error {
  /** Positive errno: EACCES mostly, EPERM for what does not decode. */
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.name = 'AuthError';
    this.errno = errno;
  }
}

/** The errno and reason of a failure; bytes that do not decode count as `decodeErrno`. Other errors are ours and pass through. */
export function authFailure(error: unknown, decodeErrno: number): { errno: number; reason: string } {
  if (error instanceof AuthError) return { errno: error.errno, reason: error.message };
  if (error instanceof DecodeError) return { errno: decodeErrno, reason: error.message };
  throw error;
}
