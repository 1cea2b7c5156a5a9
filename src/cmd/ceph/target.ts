/** Which daemon a command is for, and the way to it. */
import type { CommandResult, Rados } from '../../client/index.ts';
import { ArgumentError, parseDaemonName } from './arg-types.ts';
import { type CommandValues, readBeginning } from './match.ts';
import { pyJson } from './python.ts';
import { parseSignature } from './signature.ts';

/** `type` is osd, mon, mgr, mds, client, pg; undefined for `*`. `id` undefined: any, or the active one. */
export interface Target {
  readonly type: string | undefined;
  readonly id: string | undefined;
}

export function targetText({ type, id }: Target): string {
  return `${type ?? 'None'}.${id ?? 'None'}`;
}

const TELL_PG = parseSignature(['tell', { name: 'pgid', type: 'CephPgid' }]);
const TELL_NAME = parseSignature(['tell', { name: 'target', type: 'CephName' }]);
const PG = parseSignature(['pg', { name: 'pgid', type: 'CephPgid' }]);

/** The target of `tell X ...` and `pg X ...`; a monitor for all else. Throws ArgumentError where `tell` has none that can be. */
export function findTarget(words: readonly string[]): Target {
  const name = readBeginning(words, TELL_NAME).target;
  if (typeof name === 'string') return parseDaemonName(name);
  const tellPg = readBeginning(words, TELL_PG).pgid;
  if (typeof tellPg === 'string') return { type: 'pg', id: tellPg };
  if (words.length > 1 && words[0] === 'tell') return parseDaemonName(words[1]!);
  const pg = readBeginning(words, PG).pgid;
  if (typeof pg === 'string') return { type: 'pg', id: pg };
  return { type: 'mon', id: '' };
}

/** A command as the daemons read it, sent to a target; where its values name one, to that. */
export async function sendCommand(
  rados: Rados,
  target: Target,
  values: CommandValues,
  input?: Uint8Array,
): Promise<CommandResult> {
  const own = values.target;
  if (Array.isArray(own) && own[0] === 'mon-mgr') return rados.mgrCommand(pyJson(values), input);
  const { type, id } = target;
  switch (type) {
    case 'osd':
      return rados.osdCommand(Number(id), pyJson(values), input);
    case 'mgr':
      return tellManager(rados, id, pyJson(values), input);
    case 'pg': {
      const [pool, seed] = id!.split('.') as [string, string];
      return rados.pgCommand(Number(pool), Number.parseInt(seed, 16), pyJson({ ...values, pgid: id! }), input);
    }
    case 'mon':
      if (id === undefined || id === '') return rados.monCommand(pyJson(values), input);
      return rados.monTell(id, pyJson(values), input);
    case 'mds':
      return { result: -95, text: 'commands to metadata servers are not there yet', data: new Uint8Array(0) };
    default:
      throw new ArgumentError('value', `Bad target type '${type ?? 'None'}'`);
  }
}

async function tellManager(
  rados: Rados,
  name: string | undefined,
  command: string,
  input?: Uint8Array,
): Promise<CommandResult> {
  if (name !== undefined && name !== '') {
    const dump = await jsonOf(rados, 'mgr dump');
    if ((dump as { active_name?: string }).active_name !== name) {
      return { result: -6, text: `mgr.${name} is not the active manager`, data: new Uint8Array(0) };
    }
  }
  return rados.mgrTell(command, input);
}

/** The JSON output of a monitor command. */
export async function jsonOf(rados: Rados, prefix: string): Promise<unknown> {
  const { result, text, data } = await rados.monCommand(pyJson({ prefix, format: 'json' }));
  if (result !== 0) throw new Error(`${prefix}: ${text}`);
  return JSON.parse(new TextDecoder().decode(data));
}

/** The daemons of a type that can be told something. Undefined where there is no such type. */
export async function daemonIds(rados: Rados, type: string | undefined): Promise<string[] | undefined> {
  switch (type) {
    case 'osd': {
      const { data } = await rados.monCommand(pyJson({ prefix: 'osd ls' }));
      return new TextDecoder()
        .decode(data)
        .split('\n')
        .filter((line) => line !== '');
    }
    case 'mon':
      return ((await jsonOf(rados, 'mon dump')) as { mons: { name: string }[] }).mons.map((m) => m.name);
    case 'mgr':
      return [((await jsonOf(rados, 'mgr dump')) as { active_name: string }).active_name];
    case 'mds': {
      const dump = (await jsonOf(rados, 'fs dump')) as {
        standbys: { name: string }[];
        filesystems: { mdsmap: { info: Record<string, { name: string }> } }[];
      };
      const active = dump.filesystems.flatMap((fs) => Object.values(fs.mdsmap.info));
      return [...dump.standbys, ...active].map((m) => m.name);
    }
    default:
      return undefined;
  }
}

/** Whether there is such a daemon to be told something; says on stderr why not. `words`: type and id. */
export async function isTellTarget(rados: Rados, words: readonly string[]): Promise<boolean> {
  const [type, id] = words;
  if (id === undefined) {
    if (type === 'mgr' || type === 'mon') return true;
    process.stderr.write(
      `WARN: "${type}" is not a legal target. it should be one of mon.<id>/osd.<int>/mds.<id>/mgr\n`,
    );
    return false;
  }
  const ids = await daemonIds(rados, type);
  if (ids === undefined) {
    process.stderr.write(`WARN: ${type} is not a legal service name, should be one of mon/osd/mds/mgr\n`);
    return false;
  }
  if (ids.includes(id) || (ids.length > 0 && id === '*')) return true;
  process.stderr.write(
    `WARN: the service id you provided does not exist. service id should be one of ${ids.join('/')}.\n`,
  );
  return false;
}
