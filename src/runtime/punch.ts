import { type ChildProcess, execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Node has no call for holes in files; util-linux's program makes them, and is on every Linux. docs/decisions/0053-punching.md has what else there was. */
const PROGRAM = 'fallocate';
/** How often, in milliseconds, it is looked whether the program that an earlier process had started has ended, and for how long. */
const LOOK_MS = 10;
const LOOK_MS_MAX = 60_000;

/** Makes a hole; the file's size stays. */
export function punchHole(
  path: string,
  offset: number,
  length: number,
  done: (error: Error | null) => void,
): ChildProcess {
  const args = ['--punch-hole', '--keep-size', '--offset', `${offset}`, '--length', `${length}`, path];
  return execFile(PROGRAM, args, (error, _stdout, stderr) => {
    if (error === null) done(null);
    else if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      done(new Error(`the program ${PROGRAM} (of util-linux) is not there`));
    else done(new Error(stderr.trim() === '' ? error.message : stderr.trim()));
  });
}

/** Processes that punch this file now, whoever started them. */
function punching(path: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return (args[0] === PROGRAM || args[0]!.endsWith(`/${PROGRAM}`)) && args.includes(path);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/**
 * A process that is killed leaves the program that it had started behind; what that one punches must not be written before. Rejects where it does not end.
 */
export async function punchesOf(path: string): Promise<void> {
  for (let waited = 0; ; waited += LOOK_MS) {
    const left = punching(path);
    if (left.length === 0) return;
    if (waited >= LOOK_MS_MAX) throw new Error(`process ${left.join(', ')} still punches ${path} and does not end`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
