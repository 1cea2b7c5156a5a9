import { type DaemonKind, runDaemon } from './daemon.ts';
import { makeOsd } from './osd-make.ts';

export const osdKind: DaemonKind = {
  type: 'osd',
  flags: { mkfs: { type: 'boolean' }, 'osd-uuid': { type: 'string' } },
  make: makeOsd,
  // Making one needs little of what running one does.
  start: async (context) => (await import('./osd-run.ts')).startOsd(context),
};

/** `sepiola osd --conf C --id N`, and first `--mkfs` */
export function main(argv: string[]): Promise<number> {
  return runDaemon(osdKind, argv);
}
