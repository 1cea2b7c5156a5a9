/** One command, from its words to its output. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandResult, Rados } from '../../client/index.ts';
import { terminalSize } from './help.ts';
import { matchCommand } from './match.ts';
import type { CephOptions } from './options.ts';
import type { CommandDescription } from './signature.ts';
import { errorCode } from './strerror.ts';
import { sendCommand, type Target } from './target.ts';

const NO_BYTES = new Uint8Array(0);
const ETIMEDOUT = 110;

/** Finds out what the words mean, and does it. One that is to be repeated (`ceph iostat`) goes on until Ctrl-C. */
export async function runCommand(
  rados: Rados,
  commands: readonly CommandDescription[],
  target: Target,
  words: readonly string[],
  options: CephOptions,
  input: Uint8Array,
): Promise<CommandResult> {
  const values = matchCommand(commands, words);
  if (values === undefined) return { result: -22, text: 'invalid command', data: NO_BYTES };
  if (options.format !== undefined) values.format = options.format;
  if (options.verbose) process.stderr.write(`Submitting command:  ${JSON.stringify(values)}\n`);
  if (values.poll !== true) {
    const done = await sendCommand(rados, target, values, input);
    if (done.result === -ETIMEDOUT && done.text === '') {
      return { ...done, text: "Connection timed out. Please check the client's permission and connection." };
    }
    return done;
  }
  values.width = terminalSize().columns;
  let untilHeader = 0;
  while (true) {
    values.print_header = untilHeader === 0;
    if (untilHeader === 0) untilHeader = terminalSize().rows - 3;
    untilHeader--;
    const done = await sendCommand(rados, target, values, input);
    if (done.result !== 0) {
      const code = Math.abs(done.result);
      process.stderr.write(`Error: ${code} ${errorCode(code) ?? 'Unknown'}\n`);
      return done;
    }
    if (done.data.length > 0) process.stdout.write(`${new TextDecoder().decode(done.data)}\n`);
    if (done.text !== '') process.stderr.write(`${done.text}\n`);
    // As Ceph's program does: whoever asked for one round gets it once more, as the output.
    if (options.period <= 0) return done;
    await sleep(options.period * 1000);
  }
}
