import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

type Command = { readonly summary: string; readonly run: (argv: string[]) => Promise<number> };

/** Each command loads its own code only, so that a tool starts fast. */
const commands: Record<string, Command> = {
  up: { summary: 'start a cluster and show its status', run: async (argv) => (await import('./up.ts')).up(argv) },
  down: { summary: 'stop the cluster of a directory', run: async (argv) => (await import('./up.ts')).down(argv) },
  status: { summary: 'show the cluster of a directory', run: async (argv) => (await import('./up.ts')).status(argv) },
  mon: { summary: 'run one monitor', run: async (argv) => (await import('./mon.ts')).main(argv) },
  osd: { summary: 'run one OSD', run: async (argv) => (await import('./osd.ts')).main(argv) },
  mgr: { summary: 'run one manager', run: async (argv) => (await import('./mgr.ts')).main(argv) },
  ceph: {
    summary: "Ceph's program for administrators (ceph)",
    run: async (argv) => (await import('./ceph/ceph.ts')).ceph(argv),
  },
  rados: {
    summary: "Ceph's program for pools and objects (rados)",
    run: async (argv) => (await import('./rados/rados.ts')).rados(argv),
  },
  completion: {
    summary: 'print a script with which a shell completes command lines',
    run: async (argv) => (await import('./completion.ts')).completion(argv, Object.keys(commands)),
  },
  authtool: {
    summary: "Ceph's tool for keyrings (ceph-authtool)",
    run: async (argv) => (await import('./tools/authtool.ts')).authtool(argv),
  },
  crushtool: {
    summary: "Ceph's tool for CRUSH maps",
    run: async (argv) => (await import('./tools/crushtool.ts')).crushtool(argv),
  },
  osdmaptool: {
    summary: "Ceph's tool for OSD maps",
    run: async (argv) => (await import('./tools/osdmaptool.ts')).osdmaptool(argv),
  },
  'objectstore-tool': {
    summary: "Ceph's tool for the store of a stopped OSD (ceph-objectstore-tool)",
    run: async (argv) => (await import('./tools/objectstore-tool.ts')).objectstoreTool(argv),
  },
  monmaptool: {
    summary: "Ceph's tool for monitor maps",
    run: async (argv) => (await import('./tools/monmaptool.ts')).monmaptoolCommand(argv),
  },
};

/** Version of this package. */
export function packageVersion(): string {
  const path = fileURLToPath(new URL('../../package.json', import.meta.url));
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((c) => c.length));
  const lines = Object.entries(commands).map(([name, c]) => `  ${name.padEnd(width)}  ${c.summary}`);
  return `usage: sepiola COMMAND [options]\n\n${lines.join('\n')}\n\n'sepiola COMMAND --help' tells a command's options.\n`;
}

export async function main(argv: string[]): Promise<number> {
  // Whoever reads our output may have enough of it (`| head`): nothing is wrong then.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return name === undefined ? 1 : 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`sepiola ${packageVersion()}\n`);
    return 0;
  }
  const command = commands[name];
  if (command === undefined) {
    process.stderr.write(`sepiola: no command '${name}'\n\n${usage()}`);
    return 1;
  }
  return command.run(rest);
}
