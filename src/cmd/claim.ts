import { closeSync, openSync, readFileSync, realpathSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ErrnoError } from '../base/index.ts';

/**
 * State (`Z`: it has ended and nobody has asked how) and start time in clock ticks since boot, which with the pid names one process for good. Undefined where
 * there is no such process, or no /proc.
 */
function processStat(pid: number): { state: string; started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, started: fields[19]! };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = processStat(pid);
  return now === undefined || (now.state !== 'Z' && (started === '' || now.started === started));
}

/** Directories that daemons of this very process hold. */
const held = new Set<string>();

/**
 * Claims a daemon's data directory for this process: two daemons on one store would ruin it. The claim ends with the process, however it ends.
 * EBUSY, with the pid, where another process or another daemon of this one holds it.
 */
export function claimDirectory(path: string): () => void {
  const file = join(path, 'lock');
  const real = realpathSync(path);
  if (held.has(real)) throw new ErrnoError('EBUSY', `${path} is in use by another daemon of this process`);
  for (let tries = 0; tries < 3; tries++) {
    try {
      const fd = openSync(file, 'wx', 0o600);
      writeSync(fd, `${process.pid} ${processStat(process.pid)?.started ?? ''}\n`);
      closeSync(fd);
      held.add(real);
      return () => {
        if (held.delete(real)) rmSync(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid, started] = readFileSync(file, 'utf8').trim().split(' ');
    if (Number(pid) > 0 && Number(pid) !== process.pid && isAlive(Number(pid), started ?? '')) {
      throw new ErrnoError('EBUSY', `${path} is in use by the process ${pid}`);
    }
    // Left behind by one that was killed.
    rmSync(file, { force: true });
  }
  throw new ErrnoError('EBUSY', `${path} is being claimed by others over and over`);
}
