import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';

/** What a process finds where it runs. */
export interface ProcessInfo {
  readonly hostname: string;
  readonly homedir: string;
  readonly pid: number;
  env(name: string): string | undefined;
  /** Content of a file; undefined where there is none. Other failures are thrown as the system has them. */
  readFile(path: string): Uint8Array | undefined;
}

export const thisProcess: ProcessInfo = {
  get hostname() {
    return hostname();
  },
  get homedir() {
    return homedir();
  },
  pid: process.pid,
  env: (name) => process.env[name],
  readFile(path) {
    try {
      return readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
};
