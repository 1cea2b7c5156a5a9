import { type ChildProcess, execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Node has no call for holes in files, nor to tell a device what is free; util-linux's programs do it, and are on every Linux. docs/decisions/0053-punching.md has what else there was. */
const PROGRAM = 'fallocate';
const DEVICE_PROGRAM = 'blkdiscard';
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
  return run(PROGRAM, ['--punch-hole', '--keep-size', '--offset', `${offset}`, '--length', `${length}`, path], done);
}

/** Tells a device that a range is free. It may then read as anything. */
export function discardRange(
  path: string,
  offset: number,
  length: number,
  done: (error: Error | null) => void,
): ChildProcess {
  // Without --force it wants a device that nobody holds, and it is held: by whoever asks here.
  return run(DEVICE_PROGRAM, ['--force', '--offset', `${offset}`, '--length', `${length}`, path], done);
}

function run(program: string, args: readonly string[], done: (error: Error | null) => void): ChildProcess {
  return execFile(program, args, (error, _stdout, stderr) => {
    if (error === null) done(null);
    else if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      done(new Error(`the program ${program} (of util-linux) is not there`));
    else done(new Error(stderr.trim() === '' ? error.message : stderr.trim()));
  });
}

/** Processes that punch this file now, whoever started them. */
function punching(path: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const program = basename(args[0]!);
      return (program === PROGRAM || program === DEVICE_PROGRAM) && args.includes(path);
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
