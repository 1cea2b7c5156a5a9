import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { ErrnoError } from '../base/index.ts';
import { installCrc32cOnDemand } from '../runtime/index.ts';
import { firstOsdMap, writeKeyrings, writeMonMap } from './bootstrap.ts';
import { type DaemonContext, type DaemonKind, makeDaemon } from './daemon.ts';
import { type ClusterDir, type ClusterPlan, daemonNames, writeFile } from './layout.ts';
import { monKind } from './mon.ts';
import { osdKind } from './osd.ts';

/**
 * Makes the keys, the first monitor map and every daemon's store, in a laid out directory. `around`: what a daemon of that name is given in
 * place of the system's; not `durable`: files that need not outlive a crash. EIO names those that could not be made, each with its reason.
 */
export async function makeDaemons(
  dir: ClusterDir,
  plan: ClusterPlan,
  around: (name: string) => Partial<DaemonContext> = () => ({}),
  durable = true,
): Promise<void> {
  installCrc32cOnDemand();
  writeKeyrings(dir, plan, durable);
  writeMonMap(dir, plan, durable);
  const bootstrap = dir.file('bootstrap.keyring');
  const uuids = Array.from({ length: plan.osds }, () => randomUUID());
  const osdMap = firstOsdMap(plan, uuids);
  const first = dir.file('osdmap');
  if (osdMap !== undefined) writeFile(first, osdMap, 0o644, durable);
  const monFlags = ['--monmap', dir.file('monmap'), '--keyring', bootstrap];
  if (osdMap !== undefined) monFlags.push('--osdmap', first);
  const failures: string[] = [];
  const make = async (kind: DaemonKind, name: string, flags: readonly string[]): Promise<void> => {
    try {
      const id = name.slice(name.indexOf('.') + 1);
      await makeDaemon(kind, ['--conf', dir.conf, '--id', id, ...flags], around(name));
    } catch (error) {
      failures.push(`${name} could not be made: ${(error as Error).message}; its log is ${dir.log(name)}`);
    }
  };
  await Promise.all(
    daemonNames(plan).map(async (name) => {
      if (name.startsWith('mon.')) await make(monKind, name, monFlags);
      else if (name.startsWith('osd.')) await make(osdKind, name, ['--osd-uuid', uuids[Number(name.slice(4))]!]);
    }),
  );
  if (failures.length > 0) throw new ErrnoError('EIO', failures.join('\n'));
  rmSync(bootstrap, { force: true });
  rmSync(first, { force: true });
}
