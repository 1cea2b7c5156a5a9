import { errno } from '../base/index.ts';
import type { OsdOpReply } from '../messages/index.ts';
import type { OpOptions } from './io-ctx-options.ts';
import type { Objecter } from './objecter.ts';
import type { Op, OpDone } from './op.ts';

/**
 * A request as a promise: resolves to the reply, rejects with what `failure` makes of a result, or with the signal's reason. `settle` gets to see the
 * reply first, whatever its result.
 */
export function runOp(
  objecter: Objecter,
  { signal, timeout_ms }: OpOptions,
  make: (done: OpDone, timeout_ms: number) => Op,
  failure: (result: number, reply: OsdOpReply | undefined) => Error,
  settle?: (reply: OsdOpReply) => void,
): Promise<OsdOpReply> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => {
      objecter.cancelOp(op, errno.ECANCELED);
    };
    const op = make((result, reply) => {
      if (signal !== undefined) {
        signal.removeEventListener('abort', abort);
        if (signal.aborted && reply === undefined) {
          reject(signal.reason);
          return;
        }
      }
      try {
        if (reply !== undefined) settle?.(reply);
        if (result < 0 || reply === undefined) reject(failure(result, reply));
        else resolve(reply);
      } catch (error) {
        reject(error);
      }
    }, timeout_ms ?? 0);
    signal?.addEventListener('abort', abort);
    objecter.submit(op);
  });
}
