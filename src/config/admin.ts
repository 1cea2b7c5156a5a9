import { ErrnoError } from '../base/index.ts';
import type { Config } from './config.ts';
import { type OptionSpec, optionSpecs, parseOptionValue } from './spec.ts';

/** A value as Ceph's JSON has it: numbers and booleans bare, sizes and the rest as text. */
function jsonValue(spec: OptionSpec, text: string): string | number | boolean {
  if (text === '' && spec.type !== 'bool') return ['int', 'uint', 'float'].includes(spec.type) ? 0 : '';
  const value = parseOptionValue(spec, text);
  return ['int', 'uint', 'float', 'bool'].includes(spec.type) ? value : text;
}

function finalValue(config: Config, name: string): string | number | boolean {
  const spec = config.spec(name);
  const value = config.get(name);
  return ['int', 'uint', 'float', 'bool'].includes(spec.type)
    ? value
    : spec.type === 'str'
      ? config.expand(String(value))
      : config.text(name);
}

function layersOf(config: Config, name: string): Record<string, string | number | boolean> {
  const spec = config.spec(name);
  const layers: Record<string, string | number | boolean> = {};
  for (const { layer, text } of config.sources(name)) layers[layer] = jsonValue(spec, text);
  return { ...layers, final: finalValue(config, name) };
}

const pretty = (value: unknown): string => `${JSON.stringify(value, undefined, 4)}\n`;

/** The `config ...` commands that every daemon's admin socket (and `ceph tell`) serves, with the words after them. */
export const configAdminCommands = [
  { prefix: 'config show', signature: '', help: 'show every option and its value' },
  { prefix: 'config get', signature: 'var:String', help: 'show the value of an option' },
  { prefix: 'config set', signature: 'var:String val*:String', help: 'set an option until the daemon ends' },
  { prefix: 'config unset', signature: 'var:String', help: 'take back what config set did' },
  { prefix: 'config diff', signature: '', help: 'show the options that differ from their defaults, and where from' },
  { prefix: 'config diff get', signature: 'var:String', help: 'show where the value of one option comes from' },
] as const;

/**
 * Runs one of {@link configAdminCommands}. Undefined for another command. Throws ErrnoError: ENOENT for an unknown option, EINVAL for a value that does not parse.
 */
export function configAdminCommand(config: Config, command: Readonly<Record<string, unknown>>): string | undefined {
  const prefix = String(command.prefix);
  const name = (): string => {
    const given = command.var;
    const text = Array.isArray(given) ? String(given[0]) : String(given ?? '');
    if (text === '') throw new ErrnoError('EINVAL', `syntax error: '${prefix} <var>'`);
    if (!optionSpecs().has(text))
      throw new ErrnoError('ENOENT', `error getting '${text}': (2) No such file or directory`);
    return text;
  };
  switch (prefix) {
    case 'config show': {
      const { owner } = config;
      const all: Record<string, string> = { name: `${owner.type}.${owner.id}`, cluster: owner.cluster };
      for (const option of [...optionSpecs().keys()].sort()) all[option] = config.expand(config.text(option));
      return pretty(all);
    }
    case 'config get': {
      const option = name();
      return pretty({ [option]: config.expand(config.text(option)) });
    }
    case 'config set': {
      const option = name();
      const value = Array.isArray(command.val) ? command.val.join(' ') : String(command.val ?? '');
      config.set('override', option, value);
      return pretty({
        success: config.spec(option).runtime
          ? `${option} = '${value}' `
          : `${option} = '${value}' (not observed, change may require restart) `,
      });
    }
    case 'config unset':
      config.unset('override', name());
      return pretty({ success: `${name()} = '' ` });
    case 'config diff': {
      const diff: Record<string, unknown> = {};
      for (const option of config.changed()) diff[option] = layersOf(config, option);
      return pretty({ diff });
    }
    case 'config diff get': {
      const option = name();
      return pretty({ diff: { [option]: layersOf(config, option) } });
    }
    default:
      return undefined;
  }
}
