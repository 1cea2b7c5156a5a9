import type { Disk, Kv } from '../base/index.ts';
import { MemoryKv } from '../paxos/index.ts';
import { osDisk } from '../runtime/index.ts';

/** The system's disk, but for databases: those live in memory, and as long as this disk does. For a monitor whose state need not outlive its process. */
export function memoryDisk(): Disk {
  const databases = new Map<string, Kv>();
  return {
    ...osDisk,
    openKv(path) {
      let kv = databases.get(path);
      if (kv === undefined) {
        kv = new MemoryKv();
        databases.set(path, kv);
      }
      return kv;
    },
  };
}
