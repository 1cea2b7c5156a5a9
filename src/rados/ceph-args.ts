import { normalizeOptionName, optionSpecs } from '../config/index.ts';

/** What CEPH_ARGS says. */
export interface CephArgs {
  readonly name: string | undefined;
  readonly conf: string | undefined;
  readonly cluster: string | undefined;
  readonly options: ReadonlyMap<string, string>;
}

const SHORT: Readonly<Record<string, string>> = {
  '-n': 'name',
  '-i': 'id',
  '-c': 'conf',
  '-m': 'mon_host',
  '-k': 'keyring',
  '-K': 'keyfile',
};

/** Options as Ceph's programs take them, `--id x --mon-host=y`; words that are none are passed over. */
export function parseCephArgs(text: string): CephArgs {
  const words = text.split(/\s+/).filter((w) => w !== '');
  const options = new Map<string, string>();
  const specs = optionSpecs();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    const name = SHORT[word] ?? (match === null ? undefined : normalizeOptionName(match[1]!));
    if (name === undefined) continue;
    const isOwn = ['name', 'id', 'user', 'conf', 'cluster'].includes(name);
    const spec = specs.get(name);
    if (!isOwn && spec === undefined) continue;
    if (match?.[2] !== undefined) options.set(name, match[2]);
    else if (spec?.type === 'bool' && !/^(true|false)$/.test(words[i + 1] ?? '')) options.set(name, 'true');
    else if (i + 1 < words.length) options.set(name, words[++i]!);
  }
  const take = (name: string): string | undefined => {
    const value = options.get(name);
    options.delete(name);
    return value;
  };
  const id = take('id') ?? take('user');
  return {
    name: take('name') ?? (id === undefined ? undefined : `client.${id}`),
    conf: take('conf'),
    cluster: take('cluster'),
    options,
  };
}
