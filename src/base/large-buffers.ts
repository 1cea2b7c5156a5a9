/**
 * Memory for long data, used again and again. Fresh memory of that size is dear: the system must give and clear its pages, and each few of them set off a collection of the whole heap.
 *
 * Whoever knows that the bytes are no longer needed gives their memory back; nobody must. Giving it back moves the memory into a new ArrayBuffer, so
 * that views of the old one which somebody kept by mistake are empty from then on and never show another's bytes.
 */
export const LARGE_MIN = 32 * 1024;
/** Memory kept for later, at most. */
const IDLE_MAX = 64 * 1024 * 1024;

const transfer = (
  globalThis as unknown as {
    readonly structuredClone: (value: ArrayBuffer, options: { transfer: ArrayBuffer[] }) => ArrayBuffer;
  }
).structuredClone;

/** Made here and not given back. */
const ours = new WeakSet<ArrayBufferLike>();
const idle = new Map<number, ArrayBuffer[]>();
let idleBytes = 0;
/** The least that was idle since the last trim: so much nobody needed. */
let leastIdle = 0;

/** Four sizes between each power of two and the next. */
function sizeFor(length: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(length)) - 2);
  return Math.ceil(length / step) * step;
}

/** `length` bytes, of at least {@link LARGE_MIN}. Their content is whatever it was: to be written before it is read. */
export function takeLarge(length: number): Uint8Array {
  const size = sizeFor(length);
  let memory = idle.get(size)?.pop();
  if (memory === undefined) memory = new ArrayBuffer(size);
  else {
    idleBytes -= size;
    leastIdle = Math.min(leastIdle, idleBytes);
  }
  ours.add(memory);
  return new Uint8Array(memory, 0, length);
}

/** Gives back the memory that `bytes` is a view of, if it came from here. All its views are empty afterwards. */
export function giveLarge(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!ours.delete(buffer)) return;
  const memory = transfer(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] });
  const size = memory.byteLength;
  if (idleBytes + size > IDLE_MAX) return;
  idleBytes += size;
  const list = idle.get(size);
  if (list === undefined) idle.set(size, [memory]);
  else list.push(memory);
}

/** What this needs of the platform's ports; Node and browsers have them. */
interface Port {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  close(): void;
}

/** A port that leads nowhere. */
let drain: Port | undefined;

/**
 * Gives the memory back to the system now: an idle process collects no garbage, and may hold for minutes what it only let go. What is sent through a closed
 * port is gone with the message.
 */
function discard(memory: ArrayBuffer): void {
  if (drain === undefined) {
    const { MessageChannel } = globalThis as unknown as { readonly MessageChannel: new () => { readonly port1: Port } };
    drain = new MessageChannel().port1;
    drain.close();
  }
  drain.postMessage(undefined, [memory]);
}

/** Lets go what was not needed since the last call. To be called every few seconds. */
export function trimLarge(): void {
  let excess = leastIdle;
  for (const [size, list] of idle) {
    while (excess >= size && list.length > 0) {
      discard(list.pop()!);
      excess -= size;
      idleBytes -= size;
    }
    if (list.length === 0) idle.delete(size);
  }
  leastIdle = idleBytes;
}
