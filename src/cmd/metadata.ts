import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, version } from 'node:os';
import { CEPH_RELEASE_NAME, CEPH_VERSION_SHORT, CEPH_VERSION_TEXT } from '../types/index.ts';

function osRelease(): { distro: string; description: string; version: string } {
  let text = '';
  try {
    text = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // Not every system has one.
  }
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? 'unknown';
  return { distro: field('ID'), description: field('PRETTY_NAME'), version: field('VERSION_ID') };
}

/** Read once: to ask for the processors takes the system milliseconds, and one process may hold many daemons. */
let machine: readonly (readonly [string, string])[] | undefined;

/** What every daemon tells of its machine (`ceph osd metadata`, `mgr metadata`). */
export function hostMetadata(hostname: string): Map<string, string> {
  machine ??= describe();
  return new Map([...machine, ['hostname', hostname]]);
}

function describe(): (readonly [string, string])[] {
  const os = osRelease();
  return [
    ['arch', arch() === 'x64' ? 'x86_64' : arch()],
    ['ceph_release', CEPH_RELEASE_NAME],
    ['ceph_version', CEPH_VERSION_TEXT],
    ['ceph_version_short', CEPH_VERSION_SHORT],
    ['cpu', cpus()[0]?.model ?? 'unknown'],
    ['distro', os.distro],
    ['distro_description', os.description],
    ['distro_version', os.version],
    ['kernel_description', version()],
    ['kernel_version', release()],
    ['mem_total_kb', String(Math.floor(totalmem() / 1024))],
  ];
}
