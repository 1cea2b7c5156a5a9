/** Commands to a daemon on this machine through its socket: `ceph daemon`, `ceph --admin-daemon`. */
import { connect } from 'node:net';
import { matchCommand } from './match.ts';
import { pyJson } from './python.ts';
import { parseDescriptions } from './signature.ts';
import { errnoOf, strerror } from './strerror.ts';

/** What a daemon may answer at most. */
const ANSWER_MAX = 1 << 30;

/** Sends one request; the answer comes as its length (4 bytes, big-endian) and itself. */
function ask(path: string, request: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const parts: Buffer[] = [];
    let got = 0;
    const take = (): Buffer | undefined => {
      const whole = Buffer.concat(parts);
      const length = whole.readUInt32BE(0);
      if (length > ANSWER_MAX) throw new Error(`an answer of ${length} bytes is too much`);
      return whole.length >= 4 + length ? whole.subarray(4, 4 + length) : undefined;
    };
    socket.on('connect', () => socket.write(`${request}\0`));
    socket.on('data', (data) => {
      parts.push(data);
      got += data.length;
      if (got < 4) return;
      try {
        const answer = take();
        if (answer === undefined) return;
        resolve(answer);
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
    socket.on('end', () => reject(new Error('exception: no data returned from admin socket')));
    socket.on('error', (error) => {
      const number = errnoOf(error);
      reject(new Error(`[Errno ${number}] ${strerror(number)}`));
    });
  });
}

/** Runs a command of a daemon and gives its output. Throws where the daemon cannot be asked, or the command is none that it has. */
export async function adminSocketCommand(path: string, words: readonly string[], format?: string): Promise<Buffer> {
  let descriptions: Buffer;
  try {
    descriptions = await ask(path, '{"prefix": "get_command_descriptions"}');
  } catch (error) {
    throw new Error(`exception getting command descriptions: ${(error as Error).message}`);
  }
  const values = matchCommand(parseDescriptions(descriptions.toString()), words);
  if (values === undefined) throw new Error('invalid command');
  if (format !== undefined) values.format = format;
  try {
    return await ask(path, pyJson(values));
  } catch (error) {
    throw new Error(`exception: ${(error as Error).message}`);
  }
}
