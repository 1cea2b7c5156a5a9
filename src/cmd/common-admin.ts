import { ErrnoError, errno } from '../base/index.ts';
import { configAdminCommand, configAdminCommands } from '../config/index.ts';
import type { AdminReply } from '../runtime/index.ts';
import {
  CEPH_RELEASE_NAME,
  CEPH_VERSION_COMMIT,
  CEPH_VERSION_SHORT,
  type CommandSpec,
  describeCommands,
  FLAG_TELL,
  parseSignature,
} from '../types/index.ts';
import type { DaemonContext } from './daemon.ts';

function spec(prefix: string, signature: string, help: string): CommandSpec {
  return { prefix, args: parseSignature(signature), module: '', perm: '', flags: FLAG_TELL, help };
}

const COMMON: readonly CommandSpec[] = [
  ...configAdminCommands.map((c) => spec(c.prefix, c.signature, c.help)),
  spec('get_command_descriptions', '', 'list the commands for programs'),
  spec('git_version', '', 'show which commit this was built from'),
  spec('help', '', 'list the commands'),
  spec('log reopen', '', 'open the log file again, after it was moved away'),
  spec('version', '', 'show which version of Ceph this stands for'),
];

const pretty = (value: unknown): string => `${JSON.stringify(value, undefined, 4)}\n`;

/**
 * The admin socket's commands that every daemon has. `own` are those of the daemon itself, which it has answered before it comes here: they are only listed.
 */
export function commonAdminCommand(
  context: DaemonContext,
  command: Readonly<Record<string, unknown>>,
  own: readonly CommandSpec[] | readonly string[],
): AdminReply {
  const prefix = String(command.prefix);
  const all = [...own.map((c) => (typeof c === 'string' ? spec(c, '', '') : c)), ...COMMON].sort((a, b) =>
    a.prefix < b.prefix ? -1 : 1,
  );
  const ok = (out: string): AdminReply => ({ code: 0, out, err: '' });
  try {
    switch (prefix) {
      case 'get_command_descriptions':
        return ok(describeCommands(all));
      case 'help':
        return ok(pretty(Object.fromEntries(all.map((c) => [c.prefix, c.help]))));
      case '0':
        return ok(CEPH_VERSION_SHORT);
      case 'version':
        return ok(pretty({ version: CEPH_VERSION_SHORT, release: CEPH_RELEASE_NAME, release_type: 'stable' }));
      case 'git_version':
        return ok(pretty({ git_version: CEPH_VERSION_COMMIT }));
      case 'log reopen':
        context.logger.reopen();
        return ok('{}\n');
      default: {
        const out = configAdminCommand(context.config, command);
        if (out !== undefined) return ok(out);
        return { code: -errno.EINVAL, out: '', err: `no valid command found for '${prefix}'` };
      }
    }
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    return { code: -error.errno, out: '', err: error.message.slice(error.errnoName.length + 2) };
  }
}
