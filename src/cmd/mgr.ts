import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { KeyRing } from '../auth/index.ts';
import { MgrDaemon } from '../mgr/index.ts';
import { commonAdminCommand } from './common-admin.ts';
import { type DaemonContext, type DaemonKind, type RunningDaemon, runDaemon } from './daemon.ts';
import { hostMetadata } from './metadata.ts';

async function start(context: DaemonContext): Promise<RunningDaemon> {
  const { config, id, logger } = context;
  const path = config.expand(config.str('keyring'));
  const make = (): MgrDaemon => {
    const made = new MgrDaemon({
      ...context,
      keyring: KeyRing.parse(readFileSync(path), path),
      metadata: hostMetadata(hostname()),
    });
    // One that lost its role begins anew, as a standby with a new identity: what it knew may be out of date.
    made.onDeposed = () => {
      logger.log('mgr', 0, `mgr.${id} is no longer the active manager and begins anew as a standby`);
      setImmediate(() => {
        made.stop();
        daemon = make();
        daemon.start().catch((error: Error) => context.fatal(`mgr.${id} cannot begin anew: ${error.message}`));
      });
    };
    return made;
  };
  let daemon = make();
  await daemon.start();
  return {
    stop: async () => daemon.stop(),
    abandon: async () => {},
    adminCommand(command) {
      const reply = daemon.adminCommand(String(command.prefix));
      if (reply !== undefined) return { code: reply.rc, out: reply.out, err: reply.status };
      return commonAdminCommand(context, command, ['mgr_status', 'status']);
    },
  };
}

export const mgrKind: DaemonKind = { type: 'mgr', flags: {}, start };

/** `sepiola mgr --conf C --id X` */
export function main(argv: string[]): Promise<number> {
  return runDaemon(mgrKind, argv);
}
