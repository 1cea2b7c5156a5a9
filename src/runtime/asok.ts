import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

/** Most bytes of a command that are read before the caller is cut off. */
const COMMAND_LENGTH_MAX = 1024 * 1024;

export interface AdminReply {
  readonly code: number;
  readonly out: Uint8Array | string;
  readonly err: string;
}

/**
 * The admin socket of a daemon: a command ended by a zero byte or newline in, a big-endian u32 length and the answer out
 * (what `ceph daemon NAME ...` speaks). A path that a dead daemon left behind is taken over.
 */
export function serveAdminSocket(
  path: string,
  handle: (command: string) => AdminReply | Promise<AdminReply>,
): Promise<{ close(): void }> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    const server: Server = createServer((socket) => {
      let received = Buffer.alloc(0);
      let answered = false;
      socket.on('error', () => socket.destroy());
      socket.setTimeout(30_000, () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        if (answered) return;
        received = Buffer.concat([received, chunk]);
        const end = received.findIndex((c) => c === 0 || c === 10);
        if (end < 0) {
          if (received.length > COMMAND_LENGTH_MAX) socket.destroy();
          return;
        }
        answered = true;
        void Promise.resolve()
          .then(() => handle(received.toString('utf8', 0, end)))
          .catch((error: Error): AdminReply => ({ code: -22, out: '', err: error.message }))
          .then((reply) => {
            const out = typeof reply.out === 'string' ? Buffer.from(reply.out) : Buffer.from(reply.out);
            const body =
              reply.code < 0 && out.length === 0 ? Buffer.from(`ERROR: (${reply.code}) ${reply.err}\n`) : out;
            const head = Buffer.alloc(4);
            head.writeUInt32BE(body.length);
            socket.end(Buffer.concat([head, body]));
          });
      });
    });
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve({
        close: () => {
          server.close();
          rmSync(path, { force: true });
        },
      });
    });
  });
}
