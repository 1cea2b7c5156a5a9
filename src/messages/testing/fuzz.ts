import { entropyBelow, SeededEntropy } from '../../base/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import type { MessageParts } from '../message.ts';
import { decodeMessage } from '../registry.ts';
import { corpusMessages } from './corpus.ts';

export interface MessageFuzzReport {
  readonly cases: number;
  /** Mutants that still decoded. */
  readonly decoded: number;
}

const WORDS = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 0x10000] as const;

function mutate(bytes: Uint8Array, random: SeededEntropy): Uint8Array {
  if (bytes.length === 0) return random.bytes(entropyBelow(random, 16));
  const b = bytes.slice();
  const at = entropyBelow(random, b.length);
  switch (entropyBelow(random, 5)) {
    case 0:
      return b.subarray(0, at);
    case 1:
      b[at] = random.u32() & 0xff;
      return b;
    case 2: {
      const word = WORDS[entropyBelow(random, WORDS.length)]!;
      for (let i = 0; i < 4 && at + i < b.length; i++) b[at + i] = (word >>> (8 * i)) & 0xff;
      return b;
    }
    case 3:
      b[at] = b[at]! ^ (1 << entropyBelow(random, 8));
      return b;
    default: {
      const more = random.bytes(1 + entropyBelow(random, 8));
      const longer = new Uint8Array(b.length + more.length);
      longer.set(b.subarray(0, at));
      longer.set(more, at);
      longer.set(b.subarray(at), at + more.length);
      return longer;
    }
  }
}

function mutant(parts: MessageParts, random: SeededEntropy): MessageParts {
  let { front, data, version } = parts;
  for (let n = 1 + entropyBelow(random, 3); n > 0; n--) {
    const which = entropyBelow(random, 10);
    if (which === 0) version = entropyBelow(random, 12);
    else if (which === 1) data = data.map((d) => mutate(d, random));
    else front = mutate(front, random);
  }
  return { ...parts, front, data, version, compatVersion: Math.min(version, parts.compatVersion) };
}

/**
 * Decodes mutants of every message of the corpus. Throws where one gives anything but a value or a DecodeError; a failure names
 * seed and case.
 */
export function fuzzMessages(cases: number, seed: number): MessageFuzzReport {
  const random = new SeededEntropy(seed);
  const all = corpusMessages().filter(({ parts }) => parts.front.length < 8192);
  let decoded = 0;
  for (let i = 0; i < cases; i++) {
    const { file, parts } = all[i % all.length]!;
    try {
      decodeMessage(mutant(parts, random));
      decoded++;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw new Error(`seed ${seed}, case ${i}, of ${file}`, { cause: error });
    }
  }
  return { cases, decoded };
}
