import {
  balancePgUpmaps,
  CRUSH_ITEM_NONE,
  cleanPgUpmaps,
  formatG,
  formatPgKey,
  type OSDMap,
  OSDMapIncremental,
} from '../../types/index.ts';
import { ToolExit } from './args.ts';
import { describeError, type ToolIo } from './io.ts';

export interface UpmapRequest {
  /** Only invalid and idle entries are removed. */
  readonly cleanupOnly: boolean;
  /** `-`: stdout. */
  readonly file: string;
  readonly max: number;
  readonly deviation: number;
  readonly pools: readonly string[];
  readonly active: boolean;
  readonly save: boolean;
  /** Seconds on a clock that only goes forward. */
  readonly seconds: () => number;
}

/** The commands that make the changes of an incremental on a cluster. */
export function upmapCommands(inc: OSDMapIncremental): string {
  const sorted = <V>(m: ReadonlyMap<number, V>): [number, V][] => [...m].sort((a, b) => a[0] - b[0]);
  const keys = (s: ReadonlySet<number>): number[] => [...s].sort((a, b) => a - b);
  const lines: string[] = [];
  for (const key of keys(inc.oldPgUpmap)) lines.push(`ceph osd rm-pg-upmap ${formatPgKey(key)}`);
  for (const [key, osds] of sorted(inc.newPgUpmap))
    lines.push(`ceph osd pg-upmap ${formatPgKey(key)} ${osds.join(' ')}`);
  for (const key of keys(inc.oldPgUpmapItems)) lines.push(`ceph osd rm-pg-upmap-items ${formatPgKey(key)}`);
  for (const [key, items] of sorted(inc.newPgUpmapItems)) {
    lines.push(`ceph osd pg-upmap-items ${formatPgKey(key)} ${items.flat().join(' ')}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function nextChange(map: OSDMap): OSDMapIncremental {
  return new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid });
}

/** Where commands go: stdout, or a file that is written at the end. */
class CommandFile {
  readonly #path: string;
  readonly #io: ToolIo;
  #text = '';

  constructor(path: string, io: ToolIo) {
    this.#path = path;
    this.#io = io;
    if (path === '-') return;
    this.close();
    io.out(`writing upmap command output to: ${path}\n`);
  }

  write(text: string): void {
    if (this.#path === '-') this.#io.out(text);
    else this.#text += text;
  }

  close(): void {
    if (this.#path === '-') return;
    try {
      this.#io.writeFile(this.#path, new TextEncoder().encode(this.#text));
    } catch (error) {
      throw new ToolExit(1, `error opening ${this.#path}: ${describeError(error)}\n`);
    }
  }
}

/** Removes what is useless among the upmaps, and evens out PGs by new ones. Gives the map with the changes, and whether it is to be saved. */
export function runUpmap(start: OSDMap, q: UpmapRequest, io: ToolIo): { map: OSDMap; modified: boolean } {
  const file = new CommandFile(q.file, io);
  let map = start;
  let modified = false;
  io.out('checking for upmap cleanups\n');
  const cleanup = nextChange(map);
  if (cleanPgUpmaps(map, cleanup)) {
    file.write(upmapCommands(cleanup));
    map = map.apply(cleanup);
  }
  if (!q.cleanupOnly) ({ map, modified } = balance(map, q, file, io));
  file.close();
  return { map, modified };
}

function poolsOf(map: OSDMap, q: UpmapRequest, io: ToolIo): number[] {
  const ids = q.pools.map((name) => {
    const id = map.poolId(name);
    if (id === undefined) throw new ToolExit(1, ` pool ${name} does not exist\n`);
    return id;
  });
  if (ids.length === 0) return [...map.pools.keys()];
  io.out(` limiting to pools ${q.pools.join(',')} ([${ids.join(',')}])\n`);
  return ids;
}

function balance(start: OSDMap, q: UpmapRequest, file: CommandFile, io: ToolIo): { map: OSDMap; modified: boolean } {
  io.out(`upmap, max-count ${q.max}, max deviation ${q.deviation}\n`);
  const pools = poolsOf(start, q, io);
  if (pools.length === 0) {
    io.out('No pools available\n');
    return { map: start, modified: false };
  }
  const begin = q.seconds();
  let map = start;
  let modified = false;
  for (let rounds = 0; ; rounds++) {
    io.out(`pools ${pools.map((id) => `${map.poolName(id)} `).join('')}\n`);
    const inc = nextChange(map);
    const roundBegin = q.seconds();
    let did = 0;
    for (const id of pools) {
      const options = { maxDeviation: q.deviation, maxChanges: q.max - did, pools: [id] };
      did += balancePgUpmaps(map, options, inc);
      if (did >= q.max) break;
    }
    io.out(`prepared ${did}/${q.max} changes\n`);
    if (q.active) io.out(`Time elapsed ${formatG(q.seconds() - roundBegin)} secs\n`);
    if (did === 0) {
      io.out('Unable to find further optimization, or distribution is already perfect\n');
      if (q.active) {
        io.out(pgCounts(map, pools));
        io.out(`Total time elapsed ${formatG(q.seconds() - begin)} secs, ${rounds} rounds\n`);
      }
      return { map, modified };
    }
    file.write(upmapCommands(inc));
    if (q.save || q.active) map = map.apply(inc);
    if (q.save) modified = true;
    if (!q.active) return { map, modified };
  }
}

function pgCounts(map: OSDMap, pools: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const id of pools) {
    for (let seed = 0; seed < map.pool(id)!.pgNum; seed++) {
      for (const osd of map.pgMapping(id, seed).up) {
        if (osd !== CRUSH_ITEM_NONE) counts.set(osd, (counts.get(osd) ?? 0) + 1);
      }
    }
  }
  return [...counts]
    .sort((a, b) => a[0] - b[0])
    .map(([osd, n]) => `osd.${osd} pgs ${n}\n`)
    .join('');
}
