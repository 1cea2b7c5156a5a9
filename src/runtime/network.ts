import { createServer, type Socket as NetSocket, connect as netConnect } from 'node:net';
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

class TcpSocket implements Socket {
  handler: SocketHandler | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #socket: NetSocket;
  #error: Error | undefined;

  constructor(socket: NetSocket) {
    this.#socket = socket;
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 };
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.handler?.data(chunk));
    socket.on('drain', () => this.handler?.drain());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      const handler = this.handler;
      this.handler = undefined;
      handler?.closed(this.#error);
    });
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
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

const SOCKET_OPTIONS = { highWaterMark: 1024 * 1024, allowHalfOpen: true } as const;

/** TCP of the operating system. */
export const tcpNetwork: Network = {
  listen(at, onSocket) {
    return new Promise<Listener>((resolve, reject) => {
      const server = createServer(SOCKET_OPTIONS, (socket) => {
        // The peer may be gone already; its address then is too.
        if (socket.remoteAddress === undefined) {
          socket.destroy();
          return;
        }
        onSocket(new TcpSocket(socket));
      });
      server.once('error', reject);
      server.listen({ host: at.host, port: at.port, backlog: 512 }, () => {
        server.off('error', reject);
        // After listen an error means one failed accept (EMFILE and the like); the listener goes on.
        server.on('error', () => {});
        const bound = server.address();
        invariant(bound !== null && typeof bound === 'object', 'a TCP listener has an address');
        resolve({ endpoint: { host: bound.address, port: bound.port }, close: () => server.close() });
      });
    });
  },

  connect(to, onConnected, onFailed) {
    let settled = false;
    const socket = netConnect({ ...SOCKET_OPTIONS, host: to.host, port: to.port, noDelay: true });
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
      onConnected(new TcpSocket(socket));
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
