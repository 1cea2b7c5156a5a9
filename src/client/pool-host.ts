import type { Clock, Entropy } from '../base/index.ts';
import type { CommandResult } from './api.ts';
import type { Objecter } from './objecter.ts';

/** What an IoCtx needs of its client. */
export interface PoolHost {
  readonly objecter: Objecter;
  readonly clock: Clock;
  readonly entropy: Entropy;
  mgrCommand(cmd: string): Promise<CommandResult>;
  createPoolSnap(pool: number, name: string): Promise<void>;
  removePoolSnap(pool: number, name: string): Promise<void>;
  createSelfManagedSnap(pool: number): Promise<number>;
  removeSelfManagedSnap(pool: number, snap: number): Promise<void>;
}
