/** Where a command's data goes: to an object, or with --striper to a striped one, which the library has. */
import type { IoCtx, Striper } from '../../client/index.ts';
import { osdFlag } from '../../messages/index.ts';
import { isErrno } from './report.ts';
import type { Session } from './session.ts';
import { type ObjectStore, plainStore, type Stat } from './store.ts';

const ENOENT = 2;
const EINVAL = 22;

/** Of a striped object that is not there, or has lost what it is known by. */
function isIncomplete(error: unknown): boolean {
  return isErrno(error) && (error.errno === ENOENT || error.errno === EINVAL);
}

class StripedStore implements ObjectStore {
  readonly #io: IoCtx;
  readonly #striper: Striper;
  #last: Promise<unknown> = Promise.resolve();

  constructor(io: IoCtx) {
    this.#io = io;
    this.#striper = io.striper();
  }

  /** One after another: a request may change what the next one finds. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  read(oid: string, length: number, offset: number): Promise<Uint8Array> {
    return this.#inTurn(() => this.#striper.read(oid, { length, offset }));
  }

  write(oid: string, data: Uint8Array, offset: number): Promise<void> {
    return this.#inTurn(() => this.#striper.write(oid, data, offset));
  }

  writeFull(oid: string, data: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#striper.writeFull(oid, data));
  }

  append(oid: string, data: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#striper.append(oid, data));
  }

  truncate(oid: string, size: number): Promise<void> {
    return this.#inTurn(() => this.#striper.truncate(oid, size));
  }

  remove(oid: string, isForced: boolean): Promise<void> {
    const flags = isForced ? osdFlag.FULL_FORCE | osdFlag.FULL_TRY : 0;
    return this.#inTurn(async () => {
      try {
        await this.#striper.remove(oid, { flags });
      } catch (error) {
        if (!isIncomplete(error)) throw error;
        await this.#removeRemains(oid, flags);
      }
    });
  }

  /** What is no whole striped object is removed as far as it is there, and that nothing is there is no failure: so does Ceph's program. */
  async #removeRemains(oid: string, flags: number): Promise<void> {
    const name = (n: number): string => this.#striper.objectName(oid, n);
    let count = 1;
    while ((await this.#io.statIfExists(name(count))) !== undefined) count++;
    while (count > 0) {
      await this.#io.remove(name(--count), { flags }).catch((error: unknown) => {
        if (!isErrno(error) || error.errno !== ENOENT) throw error;
      });
    }
  }

  stat(oid: string): Promise<Stat> {
    return this.#striper.stat(oid);
  }

  getXattr(oid: string, name: string): Promise<Uint8Array> {
    return this.#striper.getXattr(oid, name);
  }

  getXattrs(oid: string): Promise<Map<string, Uint8Array>> {
    return this.#striper.getXattrs(oid);
  }

  setXattr(oid: string, name: string, value: Uint8Array): Promise<unknown> {
    return this.#striper.setXattr(oid, name, value);
  }

  removeXattr(oid: string, name: string): Promise<unknown> {
    return this.#striper.removeXattr(oid, name);
  }
}

/** Where a command's data goes: to an object, or with --striper to a striped one. */
export function storeOf(session: Session): ObjectStore {
  return session.has('striper') ? new StripedStore(session.io) : plainStore(session.io);
}
