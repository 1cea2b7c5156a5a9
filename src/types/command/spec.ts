import { InvariantError } from '../../base/index.ts';

/** Types of arguments that Ceph's `ceph` program knows and checks (pybind/ceph_argparse.py). */
export type ArgType =
  | 'CephString'
  | 'CephInt'
  | 'CephFloat'
  | 'CephBool'
  | 'CephChoices'
  | 'CephPoolname'
  | 'CephObjectname'
  | 'CephOsdName'
  | 'CephPgid'
  | 'CephName'
  | 'CephUUID'
  | 'CephIPAddr'
  | 'CephEntityAddr';

export interface ArgSpec {
  readonly name: string;
  readonly type: ArgType;
  readonly required: boolean;
  /** Takes any number of values, given as a list. */
  readonly many: boolean;
  /** Of CephChoices: the values, separated by `|`. */
  readonly strings?: string;
  /** Of numbers: `min` or `min|max`. */
  readonly range?: string;
  /** Of strings: a character class of what may appear. */
  readonly goodchars?: string;
}

/** Flags of a command (mon/MonCommand.h). */
export const FLAG_NOFORWARD = 1;
export const FLAG_OBSOLETE = 2;
export const FLAG_DEPRECATED = 4;
/** The manager serves it; `ceph` sends it there by itself. */
export const FLAG_MGR = 8;
export const FLAG_POLL = 16;
export const FLAG_HIDDEN = 32;
/** Addressed to one daemon (`ceph tell mon.a ...`). */
export const FLAG_TELL = FLAG_NOFORWARD | FLAG_HIDDEN;

/** What a client learns of a command through get_command_descriptions. */
export interface CommandSpec {
  readonly prefix: string;
  readonly args: readonly ArgSpec[];
  /** The capability's service: `allow service osd rw`. */
  readonly module: string;
  /** Of r, w, x. */
  readonly perm: string;
  readonly flags: number;
  readonly help: string;
}

/**
 * Arguments in short form, one word each: `name:Type`, `name?:Type` where optional, `name*:Type` or `name?*:Type` for a list. After the type may
 * follow `[range]` of a number, `(a|b)` of choices, `{goodchars}` of a string.
 */
export function parseSignature(text: string): ArgSpec[] {
  if (text.trim() === '') return [];
  return text
    .trim()
    .split(/\s+/)
    .map((word) => {
      const match = /^([a-z_0-9]+)(\??)(\*?):([A-Za-z]+)(?:\[([^\]]*)\])?(?:\(([^)]*)\))?(?:\{(.*)\})?$/.exec(word);
      if (match === null) throw new InvariantError('malformed command signature', { word });
      const [, name, optional, many, type, range, strings, goodchars] = match;
      return {
        name: name!,
        type: `Ceph${type}` as ArgType,
        required: optional === '',
        many: many === '*',
        ...(strings === undefined ? {} : { strings }),
        ...(range === undefined ? {} : { range }),
        ...(goodchars === undefined ? {} : { goodchars }),
      };
    });
}

/** The description of one argument, keys in the order of Ceph's. CephBool is hidden from clients older than Nautilus. */
export function describeArg(arg: ArgSpec, knowsBool: boolean): Record<string, string> {
  const d: Record<string, string> = {};
  if (arg.goodchars !== undefined) d.goodchars = arg.goodchars;
  if (arg.many) d.n = 'N';
  d.name = arg.name;
  if (arg.range !== undefined) d.range = arg.range;
  if (!arg.required) d.req = 'false';
  if (arg.strings !== undefined) d.strings = arg.strings;
  d.type = arg.type;
  if (arg.type === 'CephBool' && !knowsBool) {
    d.strings = `--${arg.name.replaceAll('_', '-')}`;
    d.type = 'CephChoices';
  }
  return d;
}

/** The JSON that get_command_descriptions answers, in the form that the `ceph` program reads. */
export function describeCommands(commands: Iterable<CommandSpec>, knowsBool = true): string {
  const all: Record<string, unknown> = {};
  let n = 0;
  for (const c of commands) {
    all[`cmd${String(n++).padStart(3, '0')}`] = {
      sig: [...c.prefix.split(' '), ...c.args.map((a) => describeArg(a, knowsBool))],
      help: c.help,
      module: c.module,
      perm: c.perm,
      flags: c.flags,
    };
  }
  return JSON.stringify(all);
}

/** A command in the one-line form in which a manager tells the monitors of its own: `pg ls name=pool,type=CephInt,req=false`. */
export function commandString(c: CommandSpec): string {
  const words = [c.prefix];
  for (const a of c.args) {
    let word = `name=${a.name},type=${a.type}`;
    if (a.strings !== undefined) word += `,strings=${a.strings}`;
    if (a.range !== undefined) word += `,range=${a.range}`;
    if (a.goodchars !== undefined) word += `,goodchars=${a.goodchars}`;
    if (a.many) word += ',n=N';
    if (!a.required) word += ',req=false';
    words.push(word);
  }
  return words.join(' ');
}
