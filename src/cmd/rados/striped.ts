/**
 * Objects over several RADOS objects, as libradosstriper lays them out: NAME.0000000000000000 and on, with the layout and the size as attributes of
 * the first, and a lock on it while they are used.
 */
import { randomUUID } from 'node:crypto';
import { type IoCtx, type LockType, lockInput, WriteOperation } from '../../client/index.ts';
import { decodeText, encodeText, Writer } from '../../encoding/index.ts';
import { cmpxattrMode, cmpxattrOp, OsdOp, osdFlag, osdOp } from '../../messages/index.ts';
import { readData, readStat, readXattr, readXattrs } from './reads.ts';
import { isErrno } from './report.ts';
import { ErrnoFailure, type Session, submit } from './session.ts';
import { type ObjectStore, plainStore, type Stat } from './store.ts';

const LOCK_NAME = 'striper.lock';
const SIZE = 'striper.size';
const OBJECT_SIZE = 'striper.layout.object_size';
const STRIPE_UNIT = 'striper.layout.stripe_unit';
const STRIPE_COUNT = 'striper.layout.stripe_count';
const OWN_ATTRIBUTES = [SIZE, OBJECT_SIZE, STRIPE_UNIT, STRIPE_COUNT, `lock.${LOCK_NAME}`];

const ENOENT = 2;
const EIO = 5;
const EEXIST = 17;
const ECANCELED = 125;

export interface StripeLayout {
  /** Bytes that go to one object before the next has its turn. */
  readonly stripeUnit: number;
  /** Objects that take turns. */
  readonly stripeCount: number;
  /** Bytes of an object; a multiple of the unit. */
  readonly objectSize: number;
}

/** Of objects that have none yet. */
const DEFAULT_LAYOUT: StripeLayout = { stripeUnit: 1 << 22, stripeCount: 1, objectSize: 1 << 22 };

/** A piece of a striped object in one of its objects. */
interface Piece {
  readonly object: number;
  readonly offset: number;
  readonly length: number;
  /** Offset within the whole piece that was asked for. */
  readonly at: number;
}

/** Where `length` bytes from `offset` on are, in order. */
export function stripePieces(layout: StripeLayout, offset: number, length: number): Piece[] {
  const { stripeUnit, stripeCount, objectSize } = layout;
  const unitsPerObject = objectSize / stripeUnit;
  const pieces: Piece[] = [];
  for (let at = 0; at < length; ) {
    const unit = Math.floor((offset + at) / stripeUnit);
    const within = (offset + at) % stripeUnit;
    const stripe = Math.floor(unit / stripeCount);
    const object = Math.floor(stripe / unitsPerObject) * stripeCount + (unit % stripeCount);
    const piece = {
      object,
      offset: (stripe % unitsPerObject) * stripeUnit + within,
      length: Math.min(stripeUnit - within, length - at),
      at,
    };
    pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}

/** Bytes that an object has of a striped one of `size` bytes. */
export function bytesInObject(layout: StripeLayout, size: number, object: number): number {
  const { stripeUnit, stripeCount, objectSize } = layout;
  const set = objectSize * stripeCount;
  const inSet = Math.min(Math.max(size - Math.floor(object / stripeCount) * set, 0), set);
  const position = object % stripeCount;
  const units = Math.floor(inSet / stripeUnit);
  const whole = Math.floor(units / stripeCount) + (position < units % stripeCount ? 1 : 0);
  return whole * stripeUnit + (position === units % stripeCount ? inSet % stripeUnit : 0);
}

/** Objects that a striped one of `size` bytes has. */
function objectCount({ stripeUnit, stripeCount, objectSize }: StripeLayout, size: number): number {
  const set = objectSize * stripeCount;
  const rest = Math.ceil((size % set) / stripeUnit);
  return Math.floor(size / set) * stripeCount + Math.min(rest, stripeCount);
}

function objectName(oid: string, n: number): string {
  return `${oid}.${n.toString(16).padStart(16, '0')}`;
}

async function orIfErrno<T>(promise: Promise<T>, errno: number, otherwise: T): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (isErrno(error) && error.errno === errno) return otherwise;
    throw error;
  }
}

/** Sets the size where it is less: the number goes as a number, and the OSD reads the attribute as one. */
function growOps(size: number): OsdOp[] {
  const name = encodeText(SIZE);
  const w = new Writer();
  w.u64num(size);
  const compare = new OsdOp(osdOp.CMPXATTR);
  compare.indata = Buffer.concat([name, w.bytes()]);
  compare.setXattr(name.length, 8, cmpxattrOp.GT, cmpxattrMode.U64);
  const { ops } = new WriteOperation().setXattr(SIZE, encodeText(String(size)));
  return [compare, ...ops];
}

interface Opened {
  readonly layout: StripeLayout;
  readonly size: number;
  readonly cookie: string;
}

class StripedStore implements ObjectStore {
  readonly #io: IoCtx;
  #last: Promise<unknown> = Promise.resolve();

  constructor(io: IoCtx) {
    this.#io = io;
  }

  /** One after another: a request may change what the next one finds. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** `mustExist`: ENOENT where the object is not there, which a lock would make. */
  async #lock(oid: string, type: LockType, tag: string, mustExist = true): Promise<string> {
    const cookie = randomUUID();
    const op = new WriteOperation();
    if (mustExist) op.assertExists();
    op.call('lock', 'lock', lockInput(LOCK_NAME, { type, cookie, tag }));
    await this.#io.operate(objectName(oid, 0), op);
    return cookie;
  }

  #unlock(oid: string, cookie: string): Promise<unknown> {
    return this.#io.unlock(objectName(oid, 0), LOCK_NAME, cookie).catch(() => {});
  }

  async #layoutAndSize(oid: string): Promise<{ layout: StripeLayout; size: number }> {
    const attrs = await readXattrs(this.#io, objectName(oid, 0));
    const number = (name: string): number => {
      const bytes = attrs.get(name);
      if (bytes === undefined) throw new ErrnoFailure(ENOENT, `${oid}: ${name}`);
      const value = Number(decodeText(bytes));
      if (!Number.isSafeInteger(value) || value < 0) throw new ErrnoFailure(22, `${oid}: ${name}`);
      return value;
    };
    const layout = {
      stripeUnit: number(STRIPE_UNIT),
      stripeCount: number(STRIPE_COUNT),
      objectSize: number(OBJECT_SIZE),
    };
    const isSound =
      layout.stripeUnit > 0 &&
      layout.stripeCount > 0 &&
      layout.objectSize > 0 &&
      layout.objectSize % layout.stripeUnit === 0;
    if (!isSound) throw new ErrnoFailure(EIO, `${oid}: layout`);
    return { layout, size: number(SIZE) };
  }

  async #open(oid: string): Promise<Opened> {
    const cookie = await this.#lock(oid, 'shared', 'Tag');
    try {
      return { ...(await this.#layoutAndSize(oid)), cookie };
    } catch (error) {
      await this.#unlock(oid, cookie);
      throw error;
    }
  }

  /** Opens, or makes. `newSize` of the size before gives what it is to be at least. */
  async #openForWrite(oid: string, newSize: (size: number) => number): Promise<Opened> {
    const first = objectName(oid, 0);
    let opened: Opened | undefined = await orIfErrno(this.#open(oid), ENOENT, undefined);
    if (opened === undefined) {
      const op = new WriteOperation().create(true);
      op.setXattr(OBJECT_SIZE, encodeText(String(DEFAULT_LAYOUT.objectSize)));
      op.setXattr(STRIPE_UNIT, encodeText(String(DEFAULT_LAYOUT.stripeUnit)));
      op.setXattr(STRIPE_COUNT, encodeText(String(DEFAULT_LAYOUT.stripeCount)));
      op.setXattr(SIZE, encodeText('0'));
      await orIfErrno(this.#io.operate(first, op), EEXIST, 0);
      opened = await this.#open(oid);
    }
    const size = newSize(opened.size);
    try {
      // Canceled: it is as large already.
      await orIfErrno(submit(this.#io, first, growOps(size), osdFlag.WRITE), ECANCELED, undefined);
    } catch (error) {
      await this.#unlock(oid, opened.cookie);
      throw error;
    }
    return opened;
  }

  async #writePieces(oid: string, { layout, cookie }: Opened, data: Uint8Array, offset: number): Promise<void> {
    try {
      await Promise.all(
        stripePieces(layout, offset, data.length).map((p) =>
          this.#io.write(objectName(oid, p.object), data.subarray(p.at, p.at + p.length), p.offset),
        ),
      );
    } finally {
      await this.#unlock(oid, cookie);
    }
  }

  read(oid: string, length: number, offset: number): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const { layout, size, cookie } = await this.#open(oid);
      try {
        const whole = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
        await Promise.all(
          stripePieces(layout, offset, whole.length).map(async (p) => {
            // What was never written reads as zeros.
            const part = readData(this.#io, objectName(oid, p.object), p.length, p.offset);
            whole.set(await orIfErrno(part, ENOENT, new Uint8Array(0)), p.at);
          }),
        );
        return whole;
      } finally {
        await this.#unlock(oid, cookie);
      }
    });
  }

  async #write(oid: string, data: Uint8Array, offset: number): Promise<void> {
    const opened = await this.#openForWrite(oid, () => offset + data.length);
    await this.#writePieces(oid, opened, data, offset);
  }

  write(oid: string, data: Uint8Array, offset: number): Promise<void> {
    return this.#inTurn(() => this.#write(oid, data, offset));
  }

  writeFull(oid: string, data: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      await orIfErrno(this.#truncate(oid, 0), ENOENT, undefined);
      await this.#write(oid, data, 0);
    });
  }

  append(oid: string, data: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      const opened = await this.#openForWrite(oid, (size) => size + data.length);
      await this.#writePieces(oid, opened, data, opened.size);
    });
  }

  truncate(oid: string, size: number): Promise<void> {
    return this.#inTurn(() => this.#truncate(oid, size));
  }

  async #truncate(oid: string, size: number): Promise<void> {
    const io = this.#io;
    const cookie = await this.#lock(oid, 'exclusive', '');
    try {
      const { layout, size: before } = await this.#layoutAndSize(oid);
      if (size === before) return;
      for (let n = objectCount(layout, before) - 1; n >= 0 && size < before; n--) {
        const left = bytesInObject(layout, size, n);
        if (left === 0 && n > 0) await orIfErrno(io.remove(objectName(oid, n)), ENOENT, 0);
        else if (left < bytesInObject(layout, before, n)) await io.truncate(objectName(oid, n), left);
      }
      await io.setXattr(objectName(oid, 0), SIZE, encodeText(String(size)));
    } finally {
      await this.#unlock(oid, cookie);
    }
  }

  remove(oid: string, isForced: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const io = this.#io;
      const flags = isForced ? osdFlag.FULL_FORCE | osdFlag.FULL_TRY : 0;
      const remove = (n: number): Promise<unknown> =>
        orIfErrno(io.operate(objectName(oid, n), new WriteOperation().remove(), { flags }), ENOENT, 0);
      await this.#lock(oid, 'exclusive', '', false);
      for (let n = (await this.#countObjects(oid)) - 1; n >= 1; n--) await remove(n);
      await remove(0);
    });
  }

  /** By the size, or where none is known, by looking. */
  async #countObjects(oid: string): Promise<number> {
    const known = await this.#layoutAndSize(oid).catch(() => undefined);
    if (known !== undefined) return objectCount(known.layout, known.size);
    for (let n = 0; ; n++) {
      if ((await readStat(this.#io, objectName(oid, n)).catch(() => undefined)) === undefined) return n;
    }
  }

  async stat(oid: string): Promise<Stat> {
    const first = objectName(oid, 0);
    const { mtime_ms } = await readStat(this.#io, first);
    return { size: Number(decodeText(await readXattr(this.#io, first, SIZE))), mtime_ms };
  }

  getXattr(oid: string, name: string): Promise<Uint8Array> {
    return readXattr(this.#io, objectName(oid, 0), name);
  }

  async getXattrs(oid: string): Promise<Map<string, Uint8Array>> {
    const attrs = new Map(await readXattrs(this.#io, objectName(oid, 0)));
    for (const name of OWN_ATTRIBUTES) attrs.delete(name);
    return attrs;
  }

  setXattr(oid: string, name: string, value: Uint8Array): Promise<unknown> {
    return this.#io.setXattr(objectName(oid, 0), name, value);
  }

  removeXattr(oid: string, name: string): Promise<unknown> {
    return this.#io.removeXattr(objectName(oid, 0), name);
  }
}

/** Where a command's data goes: to an object, or with --striper to a striped one. */
export function storeOf(session: Session): ObjectStore {
  return session.has('striper') ? new StripedStore(session.io) : plainStore(session.io);
}
