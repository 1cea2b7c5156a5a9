/*
 * The grammar of the text form, the parser, and what it gives. Words need no space between them where they cannot be confused (Ceph's parser
 * works on characters), `#` starts a comment.
 *
 *   map     = { tunable | device | type } { bucket | rule } { choose_args }
 *   tunable = "tunable" name number
 *   device  = "device" number name [ "class" name ]
 *   type    = "type" number name
 *   bucket  = name name "{" { "id" -number [ "class" name ] } "alg" name { "hash" ( integer | "rjenkins1" ) }
 *             { "item" name [ "weight" real ] [ "pos" number ] } "}"
 *   rule    = "rule" [ name ] "{" ( "id" | "ruleset" ) number "type" ( "replicated" | "erasure" | "msr_firstn" | "msr_indep" )
 *             [ "min_size" number ] [ "max_size" number ] step { step } "}"
 *   step    = "step" ( "take" name [ "class" name ] | set_... number | ( "choose" | "chooseleaf" ) ( "firstn" | "indep" ) integer "type" name
 *             | "choosemsr" integer "type" name | "emit" )
 *   choose_args = "choose_args" number "{" { "{" "bucket_id" -number [ "weight_set" "[" { "[" { real } "]" } "]" ]
 *             [ "ids" "[" { integer } "]" ] "}" } "}"
 */

import { CHOOSE_STEPS, RULE_TYPE_NAMES, SET_STEPS } from './decompile.ts';
import { ruleOp } from './map.ts';

export interface TunableNode {
  readonly kind: 'tunable';
  readonly name: string;
  readonly value: number;
}

export interface DeviceNode {
  readonly kind: 'device';
  readonly id: number;
  readonly name: string;
  readonly className: string | undefined;
}

export interface TypeNode {
  readonly kind: 'type';
  readonly id: number;
  readonly name: string;
}

export interface ItemNode {
  readonly name: string;
  readonly weight: number | undefined;
  readonly pos: number | undefined;
}

export interface BucketSyntax {
  readonly kind: 'bucket';
  readonly type: string;
  readonly name: string;
  readonly ids: readonly { readonly id: number; readonly className: string | undefined }[];
  readonly alg: string;
  readonly hash: number;
  readonly items: readonly ItemNode[];
}

export type StepNode =
  | { readonly kind: 'take'; readonly item: string; readonly className: string | undefined }
  | { readonly kind: 'set'; readonly op: number; readonly value: number }
  | { readonly kind: 'choose'; readonly op: number; readonly count: number; readonly type: string }
  | { readonly kind: 'emit' };

export interface RuleNode {
  readonly kind: 'rule';
  readonly name: string;
  readonly id: number;
  readonly type: number;
  readonly minSize: number;
  readonly maxSize: number;
  readonly steps: readonly StepNode[];
}

export interface ChooseArgNode {
  readonly bucketId: number;
  readonly weightSet: readonly (readonly number[])[] | undefined;
  readonly ids: readonly number[] | undefined;
}

export interface ChooseArgsNode {
  readonly kind: 'chooseArgs';
  readonly key: number;
  readonly args: readonly ChooseArgNode[];
}

export type MapNode = TunableNode | DeviceNode | TypeNode | BucketSyntax | RuleNode | ChooseArgsNode;

/** Text that does not follow the grammar. */
export class CrushSyntaxError extends Error {
  /** Where parsing could not go on, from 1. */
  readonly line: number;
  readonly column: number;
  /** What could have stood there. */
  readonly expected: readonly string[];
  /** Line, from 1, where the last statement that could be read ended, and its text from there on (Ceph names these). */
  readonly statementLine: number;
  readonly statementText: string;

  constructor(at: Position, expected: readonly string[], statement: Position, statementText: string) {
    super(`line ${at.line}, column ${at.column}: expected ${expected.join(' or ')}`);
    this.name = 'CrushSyntaxError';
    this.line = at.line;
    this.column = at.column;
    this.expected = expected;
    this.statementLine = statement.line;
    this.statementText = statementText;
  }
}

interface Position {
  readonly line: number;
  readonly column: number;
}

export function parseCrushText(text: string): MapNode[] {
  return new Parser(text).parse();
}

const NAME = /[-_.0-9A-Za-z]+/y;
const UNSIGNED = /[0-9]+/y;
const NEGATIVE = /-[0-9]+/y;
const INTEGER = /-?[0-9]+/y;
const REAL = /[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?/y;

class Parser {
  readonly #lines: string[];
  /** The text without comments, spaces squeezed, lines joined: what Ceph parses. */
  #text = '';
  /** Start of every line in `#text`. */
  readonly #starts: number[] = [];
  #at = 0;
  /** The furthest place where something was expected in vain, and what. */
  #furthest = 0;
  #expected = new Set<string>();

  constructor(text: string) {
    this.#lines = text.split('\n');
    if (this.#lines.at(-1) === '') this.#lines.pop();
    for (const line of this.#lines) {
      const comment = line.indexOf('#');
      const bare = (comment < 0 ? line : line.slice(0, comment)).replace(/[ \t\v\f\r]+/g, ' ').replace(/^ | $/g, '');
      if (bare !== '' && this.#text !== '' && !this.#text.endsWith(' ')) this.#text += ' ';
      this.#starts.push(this.#text.length);
      this.#text += bare;
    }
  }

  parse(): MapNode[] {
    const nodes: MapNode[] = [];
    const many = (...rules: (() => MapNode | undefined)[]): void => {
      for (;;) {
        const node = this.#firstOf(rules);
        if (node === undefined) return;
        nodes.push(node);
      }
    };
    many(this.#tunable, this.#device, this.#type);
    many(this.#bucket, this.#rule);
    many(this.#chooseArgs);
    // Ceph tells where the last statement that it could read ended.
    const end = this.#at;
    this.#skip();
    if (this.#at < this.#text.length) this.#fail(end);
    return nodes;
  }

  #fail(end: number): never {
    const statement = this.#position(end);
    const line = this.#lines[statement.line - 1] ?? '';
    // Ceph counts columns in the squeezed line and cuts the original one there.
    const cut = end - this.#starts[statement.line - 1]!;
    throw new CrushSyntaxError(
      this.#originalPosition(this.#furthest),
      [...this.#expected],
      statement,
      line.slice(Math.min(cut, line.length)),
    );
  }

  /** Line and squeezed column of an offset; of lines that start at one offset the last. */
  #position(at: number): Position {
    let line = this.#starts.length;
    while (line > 1 && this.#starts[line - 1]! > at) line--;
    return { line, column: at - this.#starts[line - 1]! + 1 };
  }

  /** Line and column in the text as it was given. */
  #originalPosition(at: number): Position {
    const { line, column } = this.#position(at);
    const original = this.#lines[line - 1] ?? '';
    let squeezed = 0;
    let i = original.length - original.trimStart().length;
    while (i < original.length && squeezed < column - 1) {
      i++;
      if (!/\s/.test(original[i - 1]!) || !/\s/.test(original[i] ?? ' ')) squeezed++;
    }
    return { line, column: i + 1 };
  }

  #skip(): void {
    while (this.#text[this.#at] === ' ') this.#at++;
  }

  #miss(what: string): undefined {
    if (this.#at > this.#furthest) {
      this.#furthest = this.#at;
      this.#expected.clear();
    }
    if (this.#at === this.#furthest) this.#expected.add(what);
    return undefined;
  }

  /** The literal, or undefined. Words need not end there. */
  #word(word: string): string | undefined {
    this.#skip();
    if (!this.#text.startsWith(word, this.#at)) return this.#miss(`'${word}'`);
    this.#at += word.length;
    return word;
  }

  #match(pattern: RegExp, what: string): string | undefined {
    this.#skip();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return this.#miss(what);
    this.#at += found.length;
    return found;
  }

  #name(): string | undefined {
    return this.#match(NAME, 'a name');
  }

  #integer(pattern: RegExp, what: string): number | undefined {
    const digits = this.#match(pattern, what);
    return digits === undefined ? undefined : toInt(digits);
  }

  #unsigned(): number | undefined {
    return this.#integer(UNSIGNED, 'a number');
  }

  #real(): number | undefined {
    const digits = this.#match(REAL, 'a decimal number');
    return digits === undefined ? undefined : Math.fround(Number(digits));
  }

  /** Runs a rule; where it fails, it has read nothing. */
  #attempt<T>(rule: () => T | undefined): T | undefined {
    const start = this.#at;
    const result = rule.call(this);
    if (result === undefined) this.#at = start;
    return result;
  }

  #firstOf<T>(rules: readonly (() => T | undefined)[]): T | undefined {
    for (const rule of rules) {
      const result = this.#attempt(rule);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  #many<T>(rule: () => T | undefined): T[] {
    const results: T[] = [];
    for (;;) {
      const result = this.#attempt(rule);
      if (result === undefined) return results;
      results.push(result);
    }
  }

  readonly #tunable = (): TunableNode | undefined => {
    if (this.#word('tunable') === undefined) return undefined;
    const name = this.#name();
    const value = name === undefined ? undefined : this.#unsigned();
    return value === undefined ? undefined : { kind: 'tunable', name: name!, value };
  };

  readonly #classClause = (): string | undefined => (this.#word('class') === undefined ? undefined : this.#name());

  readonly #device = (): DeviceNode | undefined => {
    if (this.#word('device') === undefined) return undefined;
    const id = this.#unsigned();
    const name = id === undefined ? undefined : this.#name();
    if (name === undefined) return undefined;
    return { kind: 'device', id: id!, name, className: this.#attempt(this.#classClause) };
  };

  readonly #type = (): TypeNode | undefined => {
    if (this.#word('type') === undefined) return undefined;
    const id = this.#unsigned();
    const name = id === undefined ? undefined : this.#name();
    return name === undefined ? undefined : { kind: 'type', id: id!, name };
  };

  readonly #bucketId = (): { id: number; className: string | undefined } | undefined => {
    if (this.#word('id') === undefined) return undefined;
    const id = this.#integer(NEGATIVE, 'a negative number');
    return id === undefined ? undefined : { id, className: this.#attempt(this.#classClause) };
  };

  readonly #bucketHash = (): number | undefined => {
    if (this.#word('hash') === undefined) return undefined;
    return this.#integer(INTEGER, 'a number') ?? (this.#word('rjenkins1') === undefined ? undefined : 0);
  };

  readonly #weightClause = (): number | undefined => (this.#word('weight') === undefined ? undefined : this.#real());
  readonly #posClause = (): number | undefined => (this.#word('pos') === undefined ? undefined : this.#unsigned());

  readonly #item = (): ItemNode | undefined => {
    if (this.#word('item') === undefined) return undefined;
    const name = this.#name();
    if (name === undefined) return undefined;
    return { name, weight: this.#attempt(this.#weightClause), pos: this.#attempt(this.#posClause) };
  };

  readonly #bucket = (): BucketSyntax | undefined => {
    const type = this.#name();
    const name = type === undefined ? undefined : this.#name();
    if (name === undefined || this.#word('{') === undefined) return undefined;
    const ids = this.#many(this.#bucketId);
    const alg = this.#word('alg') === undefined ? undefined : this.#name();
    if (alg === undefined) return undefined;
    const hashes = this.#many(this.#bucketHash);
    const items = this.#many(this.#item);
    if (this.#word('}') === undefined) return undefined;
    return { kind: 'bucket', type: type!, name, ids, alg, hash: hashes.at(-1) ?? 0, items };
  };

  readonly #step = (): StepNode | undefined => {
    if (this.#word('step') === undefined) return undefined;
    return this.#firstOf<StepNode>([
      () => {
        const item = this.#word('take') === undefined ? undefined : this.#name();
        if (item === undefined) return undefined;
        return { kind: 'take', item, className: this.#attempt(this.#classClause) };
      },
      ...SET_STEPS.map(([op, name]) => (): StepNode | undefined => {
        const value = this.#word(name) === undefined ? undefined : this.#unsigned();
        return value === undefined ? undefined : { kind: 'set', op, value };
      }),
      ...CHOOSE_STEPS.map(([op, name, mode]) => (): StepNode | undefined => {
        if (this.#word(name) === undefined || this.#word(mode) === undefined) return undefined;
        const count = this.#integer(INTEGER, 'a number');
        if (count === undefined || this.#word('type') === undefined) return undefined;
        const type = this.#name();
        return type === undefined ? undefined : { kind: 'choose', op, count, type };
      }),
      () => {
        if (this.#word('choosemsr') === undefined) return undefined;
        const count = this.#integer(INTEGER, 'a number');
        if (count === undefined || this.#word('type') === undefined) return undefined;
        const type = this.#name();
        return type === undefined ? undefined : { kind: 'choose', op: ruleOp.CHOOSE_MSR, count, type };
      },
      () => (this.#word('emit') === undefined ? undefined : { kind: 'emit' }),
    ]);
  };

  readonly #rule = (): RuleNode | undefined => {
    if (this.#word('rule') === undefined) return undefined;
    const name = this.#attempt(() => this.#name()) ?? '';
    if (this.#word('{') === undefined) return undefined;
    if (this.#word('id') === undefined && this.#word('ruleset') === undefined) return undefined;
    const id = this.#unsigned();
    if (id === undefined || this.#word('type') === undefined) return undefined;
    const type = RULE_TYPE_NAMES.find(([, typeName]) => this.#word(typeName) !== undefined)?.[0];
    if (type === undefined) return undefined;
    // What Ceph 18 and later write has no sizes; they then set these.
    const minSize = this.#attempt(() => this.#sizeOf('min_size')) ?? 1;
    const maxSize = this.#attempt(() => this.#sizeOf('max_size')) ?? 100;
    const steps = this.#many(this.#step);
    if (steps.length === 0 || this.#word('}') === undefined) return undefined;
    return { kind: 'rule', name, id, type, minSize, maxSize, steps };
  };

  #sizeOf(word: string): number | undefined {
    return this.#word(word) === undefined ? undefined : this.#unsigned();
  }

  readonly #weights = (): number[] | undefined => {
    if (this.#word('[') === undefined) return undefined;
    const weights = this.#many(() => this.#real());
    return this.#word(']') === undefined ? undefined : weights;
  };

  readonly #weightSet = (): number[][] | undefined => {
    if (this.#word('weight_set') === undefined || this.#word('[') === undefined) return undefined;
    const sets = this.#many(this.#weights);
    return this.#word(']') === undefined ? undefined : sets;
  };

  readonly #ids = (): number[] | undefined => {
    if (this.#word('ids') === undefined || this.#word('[') === undefined) return undefined;
    const ids = this.#many(() => this.#integer(INTEGER, 'a number'));
    return this.#word(']') === undefined ? undefined : ids;
  };

  readonly #chooseArg = (): ChooseArgNode | undefined => {
    if (this.#word('{') === undefined || this.#word('bucket_id') === undefined) return undefined;
    const bucketId = this.#integer(NEGATIVE, 'a negative number');
    if (bucketId === undefined) return undefined;
    const weightSet = this.#attempt(this.#weightSet);
    const ids = this.#attempt(this.#ids);
    return this.#word('}') === undefined ? undefined : { bucketId, weightSet, ids };
  };

  readonly #chooseArgs = (): ChooseArgsNode | undefined => {
    if (this.#word('choose_args') === undefined) return undefined;
    const key = this.#unsigned();
    if (key === undefined || this.#word('{') === undefined) return undefined;
    const args = this.#many(this.#chooseArg);
    return this.#word('}') === undefined ? undefined : { kind: 'chooseArgs', key, args };
  };
}

/** Digits as C's strtol reads them into a long, cut to an int. */
function toInt(digits: string): number {
  const value = BigInt(digits);
  const long = value > 2n ** 63n - 1n ? 2n ** 63n - 1n : value < -(2n ** 63n) ? -(2n ** 63n) : value;
  return Number(BigInt.asIntN(32, long));
}
