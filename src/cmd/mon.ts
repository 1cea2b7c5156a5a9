import { type DaemonKind, runDaemon } from './daemon.ts';
import { makeMon } from './mon-make.ts';

export const monKind: DaemonKind = {
  type: 'mon',
  flags: { mkfs: { type: 'boolean' }, monmap: { type: 'string' }, osdmap: { type: 'string' } },
  make: makeMon,
  // Making one needs little of what running one does.
  start: async (context) => (await import('./mon-run.ts')).startMon(context),
};

/** `sepiola mon --conf C --id X`, and first `--mkfs --monmap FILE --keyring FILE [--osdmap FILE]` */
export function main(argv: string[]): Promise<number> {
  return runDaemon(monKind, argv);
}
