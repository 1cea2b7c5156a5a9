import type { Readable, Writable } from 'node:stream';
import { type Entropy, entropyUuid, errno } from '../base/index.ts';
import { decodeText, encodeText } from '../encoding/index.ts';
import { osdOp } from '../messages/index.ts';
import type { IoCtx } from './io-ctx.ts';
import type { OpOptions, ReadOptions } from './io-ctx-options.ts';
import { lockInput } from './locks.ts';
import { classCall } from './op-build.ts';
import { RadosError } from './rados-error.ts';
import { type ObjectStat, ReadOperation } from './read-operation.ts';
import { type ReadStreamOptions, readStream, type WriteStreamOptions, writeStream } from './streams.ts';
import { type Extent, extentsOf, objectCount, objectSizesAt, type StripeLayout } from './striper-layout.ts';
import { WriteOperation } from './write-operation.ts';

/** Names that libradosstriper gave things: attributes and lock of the first object. */
const attr = {
  stripeUnit: 'striper.layout.stripe_unit',
  stripeCount: 'striper.layout.stripe_count',
  objectSize: 'striper.layout.object_size',
  size: 'striper.size',
} as const;
const LOCK = 'striper.lock';
/** Tag of those who read and write; who truncates or removes has none. */
const SHARED_TAG = 'Tag';
/** Stripe units and objects are multiples of this (CEPH_MIN_STRIPE_UNIT). */
const UNIT_MIN = 65536;
/** Objects that one call reads, writes or removes at a time. */
const PARALLEL = 16;

const DEFAULT_LAYOUT: StripeLayout = { stripeUnit: 4 << 20, stripeCount: 1, objectSize: 4 << 20 };

interface Opened {
  readonly layout: StripeLayout;
  readonly size: number;
  readonly cookie: string;
}

/** Runs `work` for each item, some at once; the first failure ends it. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  const workers = Array.from({ length: Math.min(PARALLEL, items.length) }, worker);
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function isErrno(error: unknown, code: number): boolean {
  return error instanceof RadosError && error.errno === code;
}

/**
 * Large objects, spread over many of the pool's: what libradosstriper (`rados --striper`) reads and writes. The content is cut into stripe units,
 * which go round `stripeCount` objects until those have `objectSize` bytes each, and then round the next. Objects are `NAME.%016x`; the
 * first has the layout and the size as attributes, and a lock by which readers and writers keep truncation and removal out.
 *
 * As there, one write is not atomic: the size is set first, and a reader may see zeros where data is on its way.
 */
export class Striper {
  readonly #io: IoCtx;
  readonly #entropy: Entropy;
  /** Of objects made from now on; those that are there keep theirs. */
  readonly layout: StripeLayout;

  /** Use {@link IoCtx.striper}. EINVAL: a unit or size that is no multiple of 64 KiB, or an object that is no multiple of units. */
  constructor(io: IoCtx, entropy: Entropy, layout: Partial<StripeLayout> = {}) {
    this.#io = io;
    this.#entropy = entropy;
    this.layout = { ...DEFAULT_LAYOUT, ...layout };
    const { stripeUnit, stripeCount, objectSize } = this.layout;
    const isWhole = [stripeUnit, objectSize].every((n) => n > 0 && n % UNIT_MIN === 0) && objectSize % stripeUnit === 0;
    if (!isWhole || !(stripeCount >= 1) || !Number.isInteger(stripeCount))
      throw this.#failure('striper', '', errno.EINVAL);
  }

  #failure(operation: string, oid: string, code: number): RadosError {
    return new RadosError(-code, { operation, pool: this.#io.poolName, object: oid });
  }

  /** Name of one of the objects that a striped one is made of. */
  objectName(oid: string, index: number): string {
    return `${oid}.${index.toString(16).padStart(16, '0')}`;
  }

  // --- opening: a lock on the first object, and its attributes

  /** Takes the lock on the first object if that is there (ENOENT). */
  async #lock(oid: string, isExclusive: boolean, options: OpOptions): Promise<string> {
    const cookie = entropyUuid(this.#entropy);
    const operation = new WriteOperation().assertExists();
    const input = lockInput(LOCK, {
      type: isExclusive ? 'exclusive' : 'shared',
      cookie,
      tag: isExclusive ? '' : SHARED_TAG,
    });
    operation.ops.push(classCall(osdOp.CALL, 'lock', 'lock', input));
    await this.#io.operate(this.objectName(oid, 0), operation, options);
    return cookie;
  }

  /** What it was taken for is done, well or not: nothing can be done about a failure here, which ends with the client. */
  async #unlock(oid: string, cookie: string): Promise<void> {
    await this.#io.unlock(this.objectName(oid, 0), LOCK, cookie).catch((error: unknown) => {
      if (!(error instanceof RadosError)) throw error;
    });
  }

  /** ENOENT, ENODATA: it is no striped object; EINVAL: its attributes are damaged. */
  async #attributes(oid: string, options: OpOptions): Promise<{ layout: StripeLayout; size: number }> {
    const found = await this.#io.getXattrs(this.objectName(oid, 0), options);
    const number = (name: string): number => {
      const value = found.get(name);
      if (value === undefined) throw this.#failure('striper', oid, errno.ENOENT);
      const n = Number(decodeText(value));
      if (!Number.isSafeInteger(n) || n < 0) throw this.#failure('striper', oid, errno.EINVAL);
      return n;
    };
    const layout = {
      stripeUnit: number(attr.stripeUnit),
      stripeCount: number(attr.stripeCount),
      objectSize: number(attr.objectSize),
    };
    if (layout.stripeUnit === 0 || layout.stripeCount === 0 || layout.objectSize % layout.stripeUnit !== 0) {
      throw this.#failure('striper', oid, errno.EINVAL);
    }
    return { layout, size: number(attr.size) };
  }

  async #open(oid: string, options: OpOptions): Promise<Opened> {
    const cookie = await this.#lock(oid, false, options);
    try {
      return { ...(await this.#attributes(oid, options)), cookie };
    } catch (error) {
      await this.#unlock(oid, cookie);
      throw error;
    }
  }

  /**
   * Opens it for writing, and makes it where it is not there. Its size becomes at least `end`, or where that is undefined grows by `length`; the size
   * before is told.
   */
  async #openForWrite(oid: string, end: number | undefined, length: number, options: OpOptions): Promise<Opened> {
    const first = this.objectName(oid, 0);
    const { stripeUnit, stripeCount, objectSize } = this.layout;
    const text = (n: number): Uint8Array => encodeText(String(n));
    let opened: Opened;
    for (;;) {
      try {
        opened = await this.#open(oid, options);
        break;
      } catch (error) {
        if (!isErrno(error, errno.ENOENT)) throw error;
        const isThere = (await this.#io.statIfExists(first, options)) !== undefined;
        if (isThere) throw error;
        const make = new WriteOperation()
          .create(true)
          .setXattr(attr.objectSize, text(objectSize))
          .setXattr(attr.stripeUnit, text(stripeUnit))
          .setXattr(attr.stripeCount, text(stripeCount))
          .setXattr(attr.size, text(end ?? 0));
        try {
          await this.#io.operate(first, make, options);
        } catch (failed) {
          // Somebody else was faster.
          if (!isErrno(failed, errno.EEXIST)) throw failed;
        }
      }
    }
    const size = end ?? opened.size + length;
    try {
      await this.#io.operate(
        first,
        new WriteOperation().cmpXattr(attr.size, 'gt', size).setXattr(attr.size, text(size)),
        options,
      );
    } catch (error) {
      // ECANCELED: it is as long already.
      if (!isErrno(error, errno.ECANCELED)) {
        await this.#unlock(oid, opened.cookie);
        throw error;
      }
    }
    return opened;
  }

  // --- data

  async #writeExtents(
    oid: string,
    layout: StripeLayout,
    data: Uint8Array,
    offset: number,
    options: OpOptions,
  ): Promise<void> {
    await eachOf(extentsOf(layout, offset, data.length), ({ object, at, length, parts }) => {
      let bytes: Uint8Array;
      if (parts.length === 1) bytes = data.subarray(parts[0]!.from, parts[0]!.from + length);
      else {
        bytes = new Uint8Array(length);
        let done = 0;
        for (const { from, length: n } of parts) {
          bytes.set(data.subarray(from, from + n), done);
          done += n;
        }
      }
      return this.#io.write(this.objectName(oid, object), bytes, at, options);
    });
  }

  /** Writes at `offset`; makes the object, with this striper's layout, where it is not there. */
  async write(oid: string, data: Uint8Array, offset = 0, options: OpOptions = {}): Promise<void> {
    const { layout, cookie } = await this.#openForWrite(oid, offset + data.length, 0, options);
    try {
      await this.#writeExtents(oid, layout, data, offset, options);
    } finally {
      await this.#unlock(oid, cookie);
    }
  }

  /** Makes `data` the whole content. */
  async writeFull(oid: string, data: Uint8Array, options: OpOptions = {}): Promise<void> {
    try {
      await this.truncate(oid, 0, options);
    } catch (error) {
      if (!isErrno(error, errno.ENOENT)) throw error;
    }
    await this.write(oid, data, 0, options);
  }

  async append(oid: string, data: Uint8Array, options: OpOptions = {}): Promise<void> {
    const { layout, cookie, size } = await this.#openForWrite(oid, undefined, data.length, options);
    try {
      await this.#writeExtents(oid, layout, data, size, options);
    } finally {
      await this.#unlock(oid, cookie);
    }
  }

  /** Content; what was never written is zeros. Shorter than asked where the object ends. */
  async read(oid: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const { into, offset = 0 } = options;
    const { layout, size, cookie } = await this.#open(oid, options);
    try {
      const asked = options.length ?? into?.length ?? Number.POSITIVE_INFINITY;
      const length = Math.max(0, Math.min(asked, size - offset));
      if (into !== undefined && into.length < length) throw this.#failure('read', oid, errno.ERANGE);
      const target = into?.subarray(0, length) ?? new Uint8Array(length);
      await eachOf(extentsOf(layout, offset, length), (extent) => this.#readExtent(oid, extent, target, options));
      return target;
    } finally {
      await this.#unlock(oid, cookie);
    }
  }

  async #readExtent(oid: string, extent: Extent, target: Uint8Array, options: OpOptions): Promise<void> {
    const { object, at, length, parts } = extent;
    const { signal, timeout_ms, flags } = options;
    const name = this.objectName(oid, object);
    let found: Uint8Array = new Uint8Array(0);
    try {
      const operation = new ReadOperation();
      const data = operation.read(at, length);
      await this.#io.operateRead(name, operation, { signal, timeout_ms, flags });
      found = data.value;
    } catch (error) {
      // A hole.
      if (!isErrno(error, errno.ENOENT)) throw error;
    }
    let done = 0;
    for (const { from, length: n } of parts) {
      const piece = found.subarray(done, done + n);
      target.set(piece, from);
      if (piece.length < n) target.fill(0, from + piece.length, from + n);
      done += n;
    }
  }

  /** Size of the whole, and time of change of its first object. */
  async stat(oid: string, options: OpOptions = {}): Promise<ObjectStat> {
    const operation = new ReadOperation();
    const stat = operation.stat();
    const size = operation.getXattr(attr.size);
    await this.#io.operateRead(this.objectName(oid, 0), operation, options);
    const n = Number(decodeText(size.value));
    if (!Number.isSafeInteger(n) || n < 0) throw this.#failure('stat', oid, errno.EINVAL);
    return { size: n, mtime_ms: stat.value.mtime_ms };
  }

  /** EBUSY where others read or write it; ENOENT. */
  async truncate(oid: string, size: number, options: OpOptions = {}): Promise<void> {
    const cookie = await this.#lock(oid, true, options);
    try {
      const opened = await this.#attributes(oid, options);
      if (size < opened.size) await this.#shrink(oid, opened.layout, opened.size, size, options);
      if (size !== opened.size) await this.#setSize(oid, size, options);
    } finally {
      await this.#unlock(oid, cookie);
    }
  }

  async #setSize(oid: string, size: number, options: OpOptions): Promise<void> {
    await this.#io.setXattr(this.objectName(oid, 0), attr.size, encodeText(String(size)), options);
  }

  /** Objects go from the last to the first, so that none is left over where it fails half way. */
  async #shrink(oid: string, layout: StripeLayout, before: number, size: number, options: OpOptions): Promise<void> {
    const kept = objectSizesAt(layout, size);
    const doomed: number[] = [];
    for (let i = objectCount(layout, before) - 1; i >= 0; i--) {
      const left = kept(i);
      if (left > 0 || i === 0) {
        await eachOf(doomed.splice(0), (n) => this.#removeObject(oid, n, options));
        if (left < layout.objectSize) await this.#truncateObject(oid, i, left, options);
      } else doomed.push(i);
    }
    await eachOf(doomed, (n) => this.#removeObject(oid, n, options));
  }

  async #removeObject(oid: string, index: number, options: OpOptions): Promise<void> {
    await this.#io.remove(this.objectName(oid, index), options).catch((error: unknown) => {
      if (!isErrno(error, errno.ENOENT)) throw error;
    });
  }

  async #truncateObject(oid: string, index: number, size: number, options: OpOptions): Promise<void> {
    const name = this.objectName(oid, index);
    // Truncation would make an object longer that is short, or make one.
    const there = await this.#io.statIfExists(name, options);
    if (there !== undefined && there.size > size) await this.#io.truncate(name, size, options);
  }

  /** EBUSY where others read or write it; ENOENT. */
  async remove(oid: string, options: OpOptions = {}): Promise<void> {
    const cookie = await this.#lock(oid, true, options);
    let isRemoved = false;
    try {
      const { layout, size } = await this.#attributes(oid, options);
      const rest = Array.from({ length: Math.max(0, objectCount(layout, size) - 1) }, (_, i) => i + 1).reverse();
      await eachOf(rest, (n) => this.#removeObject(oid, n, options));
      await this.#io.remove(this.objectName(oid, 0), options);
      isRemoved = true;
    } finally {
      if (!isRemoved) await this.#unlock(oid, cookie);
    }
  }

  /** The content as a stream of Node's. */
  createReadStream(oid: string, options: ReadStreamOptions = {}): Readable {
    return readStream(this, oid, options);
  }

  createWriteStream(oid: string, options: WriteStreamOptions = {}): Writable {
    return writeStream(this, oid, options, 0);
  }

  // --- attributes: those of the first object, but for the striper's own

  getXattr(oid: string, name: string, options: OpOptions = {}): Promise<Uint8Array> {
    return this.#io.getXattr(this.objectName(oid, 0), name, options);
  }

  setXattr(oid: string, name: string, value: Uint8Array, options: OpOptions = {}): Promise<number> {
    return this.#io.setXattr(this.objectName(oid, 0), name, value, options);
  }

  removeXattr(oid: string, name: string, options: OpOptions = {}): Promise<number> {
    return this.#io.removeXattr(this.objectName(oid, 0), name, options);
  }

  async getXattrs(oid: string, options: OpOptions = {}): Promise<Map<string, Uint8Array>> {
    const found = await this.#io.getXattrs(this.objectName(oid, 0), options);
    for (const name of [...Object.values(attr), `lock.${LOCK}`]) found.delete(name);
    return found;
  }

  /** Layout of a striped object that is there. */
  async layoutOf(oid: string, options: OpOptions = {}): Promise<StripeLayout> {
    return (await this.#attributes(oid, options)).layout;
  }
}
