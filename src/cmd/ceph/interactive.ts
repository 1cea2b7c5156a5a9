/** `ceph` without a command: reads commands from the terminal, or from what is piped into it. */
import { createInterface } from 'node:readline/promises';
import type { Rados } from '../../client/index.ts';
import { ArgumentError } from './arg-types.ts';
import { runCommand } from './command.ts';
import { completions } from './help.ts';
import { type CephOptions, OptionsError, parseOptions } from './options.ts';
import { shellWords } from './python.ts';
import type { CommandDescription } from './signature.ts';
import { errorCode } from './strerror.ts';
import { findTarget, type Target } from './target.ts';

const PROMPT = 'ceph> ';
const LAST_WORDS: readonly string[] = ['q', 'quit', 'Q', 'exit'];

/** Lines until the end of the input, or a word that ends it. */
async function* inputLines(commands: readonly CommandDescription[]): AsyncGenerator<string> {
  const isTerminal = process.stdin.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal
      ? {
          output: process.stdout,
          prompt: PROMPT,
          completer: (line: string): [string[], string] => {
            const words = line.split(/\s+/);
            return [completions(commands, words).filter((w) => !/^[ #]/.test(w)), words.at(-1) ?? ''];
          },
        }
      : {}),
  });
  if (isTerminal) lines.prompt();
  for await (const line of lines) {
    const text = line.trimEnd();
    if (isTerminal && LAST_WORDS.includes(text)) break;
    if (text !== '') yield text;
    if (isTerminal) lines.prompt();
  }
  lines.close();
}

/** Status 0, or that of a line that no shell would read. */
export async function interactive(
  rados: Rados,
  commands: readonly CommandDescription[],
  options: CephOptions,
  input: Uint8Array,
): Promise<number> {
  for await (const line of inputLines(commands)) {
    let words: string[];
    let target: Target;
    try {
      words = parseOptions(shellWords(line)).rest;
    } catch (error) {
      process.stderr.write(error instanceof OptionsError ? error.message : `${(error as Error).message}\n`);
      return error instanceof OptionsError ? 2 : 1;
    }
    try {
      target = findTarget(words);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      process.stderr.write(`error handling command target: ${error.message}\n`);
      continue;
    }
    if (words[0] === 'tell') {
      process.stderr.write("Can not use 'tell' in interactive mode.\n");
      continue;
    }
    const { result, text, data } = await runCommand(rados, commands, target, words, options, input);
    if (result < 0) process.stderr.write(`Error ${errorCode(result) ?? 'Unknown'}: ${text}\n`);
    else {
      if (text !== '') process.stderr.write(`${text}\n`);
      if (data.length > 0) process.stdout.write(`${new TextDecoder().decode(data)}\n`);
    }
  }
  return 0;
}
