import type { CommandResult } from './api.ts';
import type { OsdSession } from './osd-session.ts';

/** A command to an OSD, or to the OSD that leads a PG. */
export interface OsdCommand {
  readonly tid: number;
  readonly cmd: readonly string[];
  readonly input: Uint8Array;
  readonly done: (result: CommandResult) => void;
  readonly target: { readonly osd: number } | { readonly pool: number; readonly seed: number };
  session: OsdSession | undefined;
}
