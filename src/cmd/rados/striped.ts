import { fail } from './report.ts';
import type { Session } from './session.ts';
import { type ObjectStore, plainStore } from './store.ts';

/** Where a command's data goes: to an object, or with --striper to a striped one. */
export async function storeOf(session: Session): Promise<ObjectStore> {
  if (session.has('striper')) fail('--striper is not there yet');
  return plainStore(session.io);
}
