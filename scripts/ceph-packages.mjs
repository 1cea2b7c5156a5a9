// Makes sure that Ceph's own programs, which the tests run against the cluster, are here: Debian's packages, where apt and root allow.
import { execFileSync, spawnSync } from 'node:child_process';

const packages = [
  'ceph-common',
  'ceph-base',
  'ceph-mon',
  'ceph-osd',
  'ceph-mgr',
  'ceph-mgr-modules-core',
  'python3-rados',
  'python3-rbd',
];
const programs = [
  'ceph',
  'rados',
  'crushtool',
  'osdmaptool',
  'monmaptool',
  'ceph-authtool',
  'ceph-osd',
  'ceph-mon',
  'ceph-mgr',
];

const present = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const complete = () =>
  (programs.every(present) && spawnSync('python3', ['-c', 'import rados'], { stdio: 'ignore' }).status === 0) ||
  (spawnSync('/usr/bin/python3', ['-c', 'import rados'], { stdio: 'ignore' }).status === 0 && programs.every(present));

const apt = (...args) =>
  execFileSync('apt-get', args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });

/** The path of a headless Chromium, which is installed where that can be done; or why there is none. */
export function ensureChromium() {
  const names = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
  const find = () => names.find(present);
  let chromium = find();
  if (chromium === undefined && present('apt-get') && process.getuid?.() === 0) {
    process.stderr.write('installing Chromium ...\n');
    try {
      apt('-qq', 'update');
      apt('-qq', 'install', '-y', '--no-install-recommends', 'chromium-headless-shell');
    } catch (error) {
      return { missing: `apt-get could not install chromium-headless-shell: ${error.message}` };
    }
    chromium = find();
  }
  if (chromium === undefined) {
    return { missing: 'no Chromium; run: sudo apt-get install --no-install-recommends chromium-headless-shell' };
  }
  return { chromium };
}

/** Returns undefined when everything is there, else why not. */
export function ensureCephPackages() {
  if (complete()) return undefined;
  if (!present('apt-get')) return "Ceph's programs are not installed and there is no apt-get to install them with";
  if (process.getuid?.() !== 0)
    return `Ceph's programs are not installed; run: sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
  process.stderr.write("installing Ceph's programs ...\n");
  try {
    apt('-qq', 'update');
    apt('-qq', 'install', '-y', '--no-install-recommends', ...packages);
  } catch (error) {
    return `apt-get could not install ${packages.join(' ')}: ${error.message}`;
  }
  return complete() ? undefined : 'the packages are installed, yet programs are missing';
}
