import { createServer, Socket as NetSocket, type SocketConstructorOpts } from 'node:net';
import {
  type Endpoint,
  invariant,
  type Listener,
  type Network,
  type Socket,
  type SocketHandler,
} from '../base/index.ts';

/** Buffers below this are gathered into one before they go to the kernel: cheaper than one iovec each. */
const GATHER_MAX = 16 * 1024;

/** Room for reads where the handler names no place: grows for sockets that fill it. Views of it keep all of it in memory, so not too far. */
const READ_LENGTH_MIN = 8 * 1024;
const READ_LENGTH_MAX = 64 * 1024;
/** Less room than this at the end of a read buffer is not worth a system call. */
const READ_ROOM_MIN = 4 * 1024;

/** What node:net's sockets read into: `onread` of their constructor spares a buffer and the stream machinery for each read. */
interface ReadPlace {
  /** Gives the buffer of the next read. */
  buffer(): Uint8Array;
  /** `length` bytes were read into it. */
  callback(length: number): boolean;
}

/** What is under a socket of node:net, of a system's. */
interface ReadingHandle {
  useUserBuffer?(buffer: Uint8Array): void;
}

/** What is open of a network, so that its owner can end it all. */
export type OpenEnds = Set<Listener | Socket>;

class TcpSocket implements Socket {
  handler: SocketHandler | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #socket: NetSocket;
  readonly #reads: SocketReads | undefined;
  #error: Error | undefined;

  /** `reads` is what `socket` was made with; without, its stream of chunks is read. */
  constructor(socket: NetSocket, reads: SocketReads | undefined, open?: OpenEnds) {
    this.#socket = socket;
    this.#reads = reads;
    open?.add(this);
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 };
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    if (reads !== undefined) reads.owner = this;
    else socket.on('data', (chunk: Buffer) => this.handler?.data(chunk));
    socket.setNoDelay(true);
    socket.on('drain', () => this.handler?.drain());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      const handler = this.handler;
      this.handler = undefined;
      open?.delete(this);
      handler?.closed(this.#error);
    });
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  isFlushed(): boolean {
    return this.#socket.writableLength === 0;
  }

  write(buffers: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (buffers.length === 1) return socket.write(buffers[0]!);
    let run = 0; // bytes gathered from buffers[start, i)
    let start = 0;
    socket.cork();
    let flowing = true;
    for (let i = 0; i < buffers.length; i++) {
      const length = buffers[i]!.length;
      if (length >= GATHER_MAX) {
        if (start < i) socket.write(gather(buffers, start, i, run));
        flowing = socket.write(buffers[i]!);
        start = i + 1;
        run = 0;
      } else {
        run += length;
      }
    }
    if (start < buffers.length) flowing = socket.write(gather(buffers, start, buffers.length, run));
    socket.uncork();
    return flowing;
  }

  retarget(): boolean {
    return this.#reads?.retarget((this.#socket as unknown as { readonly _handle?: ReadingHandle })._handle) ?? true;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.handler = undefined;
    this.#socket.destroy();
  }

  end(): void {
    this.#socket.end();
  }
}

function gather(buffers: readonly Uint8Array[], start: number, end: number, length: number): Uint8Array {
  if (end - start === 1) return buffers[start]!;
  const joined = Buffer.allocUnsafe(length);
  let at = 0;
  for (let i = start; i < end; i++) {
    joined.set(buffers[i]!, at);
    at += buffers[i]!.length;
  }
  return joined;
}

/** Where a socket's reads go: into what its handler asks for, else into a buffer of its own, one after another. */
class SocketReads implements ReadPlace {
  owner: TcpSocket | undefined;
  #room = new Uint8Array(0);
  #at = 0;
  #length = READ_LENGTH_MIN;
  #isTarget = false;
  /** What the next read goes to. */
  #next: Uint8Array = this.#room;
  /** Once what came was handled, the next place is asked for anyway. */
  #isHandling = false;

  readonly buffer = (): Uint8Array => {
    const target = this.owner?.handler?.target?.();
    if (target !== undefined) {
      this.#isTarget = true;
      this.#next = target;
      return target;
    }
    this.#isTarget = false;
    if (this.#room.length - this.#at < READ_ROOM_MIN) {
      this.#room = Buffer.allocUnsafeSlow(this.#length);
      this.#at = 0;
    }
    this.#next = this.#at === 0 ? this.#room : this.#room.subarray(this.#at);
    return this.#next;
  };

  readonly callback = (length: number): boolean => {
    const handler = this.owner?.handler;
    this.#isHandling = true;
    try {
      if (this.#isTarget) {
        handler?.filled?.(length);
        return true;
      }
      // Not what node:net says it was: see `retarget`.
      const buffer = this.#next;
      this.#at += length;
      if (length === buffer.length && this.#length < READ_LENGTH_MAX) this.#length *= 2;
      handler?.data(new Uint8Array(buffer.buffer, buffer.byteOffset, length));
      return true;
    } finally {
      this.#isHandling = false;
    }
  };

  /** See {@link Socket.retarget}. node:net asks for the next place right after each read and holds it until there is something; its handle can be given another. */
  retarget(handle: ReadingHandle | undefined): boolean {
    if (!this.#isTarget || this.#isHandling) return true;
    // On Windows the system itself may hold the place already.
    if (handle?.useUserBuffer === undefined || process.platform === 'win32') return false;
    handle.useUserBuffer(this.buffer());
    return true;
  }
}

/** `allowHalfOpen`: what was written before the peer's end still leaves. */
const SOCKET_OPTIONS = { writableHighWaterMark: 1024 * 1024, allowHalfOpen: true } as const;

/** `handle`: an accepted connection's, which node:net gives no `onread` of itself. */
function makeSocket(reads: SocketReads, handle?: unknown): NetSocket {
  const options = { ...SOCKET_OPTIONS, onread: { buffer: reads.buffer, callback: reads.callback } };
  return new NetSocket((handle === undefined ? options : { ...options, handle }) as unknown as SocketConstructorOpts);
}

/** TCP of the operating system. */
export const tcpNetwork: Network = makeTcpNetwork();

/** TCP of the operating system; what is open of it stands in `open`. */
export function makeTcpNetwork(open?: OpenEnds): Network {
  return {
    listen(at, onSocket) {
      return new Promise<Listener>((resolve, reject) => {
        const server = createServer({ pauseOnConnect: true }, (accepted) => {
          // The peer may be gone already; its address then is too.
          if (accepted.remoteAddress === undefined) {
            accepted.destroy();
            return;
          }
          const inner = accepted as unknown as { _handle: unknown };
          const handle = inner._handle;
          if (typeof handle !== 'object' || handle === null) {
            // A node:net that keeps its handle elsewhere: the ordinary way, with a copy more for what is large.
            onSocket(new TcpSocket(accepted, undefined, open));
            accepted.resume();
            return;
          }
          inner._handle = null;
          accepted.destroy();
          const reads = new SocketReads();
          const socket = makeSocket(reads, handle);
          onSocket(new TcpSocket(socket, reads, open));
        });
        server.once('error', reject);
        server.listen({ host: at.host, port: at.port, backlog: 512 }, () => {
          server.off('error', reject);
          // After listen an error means one failed accept (EMFILE and the like); the listener goes on.
          server.on('error', () => {});
          const bound = server.address();
          invariant(bound !== null && typeof bound === 'object', 'a TCP listener has an address');
          const listener: Listener = {
            endpoint: { host: bound.address, port: bound.port },
            close: () => server.close(),
          };
          open?.add(listener);
          server.once('close', () => open?.delete(listener));
          resolve(listener);
        });
      });
    },

    connect(to, onConnected, onFailed) {
      let settled = false;
      const reads = new SocketReads();
      const socket = makeSocket(reads);
      socket.connect({ host: to.host, port: to.port });
      const failed = (error: Error): void => {
        if (settled) return;
        settled = true;
        onFailed(error);
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        if (settled) return;
        settled = true;
        socket.off('error', failed);
        onConnected(new TcpSocket(socket, reads, open));
      });
      return {
        cancel() {
          if (settled) return;
          settled = true;
          socket.destroy();
        },
      };
    },
  };
}
