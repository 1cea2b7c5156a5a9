/** Descriptions of commands, as daemons answer `get_command_descriptions` with. */
import { type ArgType, makeArgType, makePrefix } from './arg-types.ts';

/** Bits of a description's `flags`. */
export const commandFlag = { NOFORWARD: 1, OBSOLETE: 2, DEPRECATED: 4, MGR: 8, POLL: 16, HIDDEN: 32 } as const;

/** One place in a command. */
export interface Parameter {
  readonly name: string;
  readonly type: ArgType;
  readonly isRequired: boolean;
  /** As many as there are, at least one. */
  readonly isRepeated: boolean;
  /** How many words it takes, where it is not repeated. */
  readonly count: number;
}

export interface CommandDescription {
  readonly signature: readonly Parameter[];
  readonly help: string;
  readonly flags: number;
}

type RawParameter = string | Readonly<Record<string, unknown>>;

/** Parameters that have their own words come by name; the words of the command itself are parameters called `prefix`. */
export function parseSignature(raw: readonly RawParameter[]): Parameter[] {
  return raw.map((item) => {
    if (typeof item === 'string') {
      return { name: 'prefix', type: makePrefix(item), isRequired: true, isRepeated: false, count: 1 };
    }
    const { type, name, n, req } = item;
    const isRepeated = n === 'N' || n === 'n';
    return {
      name: String(name),
      type: makeArgType(String(type), item),
      isRequired: req === undefined || req === true || req === 'true' || req === 'True',
      isRepeated,
      count: isRepeated || n === undefined ? 1 : Number(n),
    };
  });
}

/** Reads descriptions; those that are not meant for a command line are left out. */
export function parseDescriptions(json: string): CommandDescription[] {
  const all = JSON.parse(json) as Record<
    string,
    { sig: RawParameter[]; help?: string; flags?: number; avail?: string | string[] }
  >;
  const commands: CommandDescription[] = [];
  for (const { sig, help, flags, avail } of Object.values(all)) {
    if (avail !== undefined && !avail.includes('cli')) continue;
    commands.push({ signature: parseSignature(sig), help: help ?? '', flags: flags ?? 0 });
  }
  return commands;
}

/** One parameter in a usage line: `<id|osd.id>`, `[<num:int>]`. */
export function parameterUsage({ name, type, isRequired, isRepeated }: Parameter): string {
  let text = `<${name}>`;
  switch (type.name) {
    case 'CephBool':
      text = `--${name.replaceAll('_', '-')}`;
      break;
    case 'CephPrefix':
      text = type.text;
      break;
    case 'CephChoices':
      text = name === 'format' ? `--${name} {${type.text}}` : type.text;
      break;
    case 'CephOsdName':
      text = '<id|osd.id>';
      break;
    case 'CephName':
      text = '<type.id>';
      break;
    case 'CephInt':
      text = `<${name}:int>`;
      break;
    case 'CephFloat':
      text = `<${name}:float>`;
      break;
  }
  if (isRepeated) text += '...';
  return isRequired ? text : `[${text}]`;
}

/** A command's usage line. */
export function usageLine(signature: readonly Parameter[]): string {
  return signature.map(parameterUsage).join(' ');
}

/** A parameter as errors name it: `pool(<poolname>)`. */
export function parameterText({ name, type, isRequired, isRepeated }: Parameter): string {
  const isBare = type.name === 'CephPrefix' || (type.choices !== undefined && type.choices.length === 1);
  const text = isBare ? type.text : `${name}(${type.text})${isRepeated ? '...' : ''}`;
  return isRequired ? text : `[${text}]`;
}
