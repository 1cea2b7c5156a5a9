import { decodeFromBytes, encodeToBytes } from '../encoding/index.ts';
import { MFSMap, MFSMapUser, MMDSMap } from '../messages/index.ts';
import type { StoreTransaction } from '../paxos/index.ts';
import {
  dumpFsMap,
  type FsMap,
  fsMap,
  fsMapEmpty,
  fsMapForUsers,
  fsMapUser,
  mdsMap,
  mdsMapEmpty,
  printFsMap,
  uuidZero,
} from '../types/index.ts';
import { type CommandRegistry, failure, reply } from './commands/registry.ts';
import { formatterOr } from './kv.ts';
import { Service, type ServiceContext } from './service.ts';
import type { Session } from './session.ts';

/** The map of file systems and metadata servers. There are no metadata servers yet, so it stays empty; clients and commands are told so. */
export class FsMonitor extends Service {
  #map: FsMap = fsMapEmpty;
  #pending: FsMap = fsMapEmpty;
  onChanged: (() => void) | undefined;
  /** The cluster's, for the messages that carry it. */
  fsid = uuidZero;

  constructor(context: ServiceContext) {
    super('mdsmap', context);
  }

  get map(): FsMap {
    return this.#map;
  }

  protected override createInitial(): void {}

  protected override createPending(): void {
    this.#pending = { ...this.#map, epoch: this.#map.epoch + 1 };
  }

  protected override encodePending(t: StoreTransaction): void {
    this.putVersion(t, this.#pending.epoch, encodeToBytes(fsMap, this.#pending));
    this.putLastCommitted(t, this.#pending.epoch);
  }

  protected override updateFromCommitted(): void {
    const bytes = this.getVersion(this.version);
    if (bytes === undefined) return;
    this.#map = decodeFromBytes(fsMap, bytes);
    this.onChanged?.();
  }

  /** Sends what a subscriber from version `next` lacks; returns the version sent, or 0. */
  send(session: Session, what: string, next: number): number {
    const { epoch } = this.#map;
    if (next > epoch) return 0;
    const { features } = session;
    if (what === 'fsmap')
      session.connection.send(MFSMap.encode({ epoch, map: encodeToBytes(fsMap, this.#map, features) }));
    else if (what === 'fsmap.user') {
      const users = fsMapForUsers(this.#map);
      session.connection.send(MFSMapUser.encode({ epoch, map: encodeToBytes(fsMapUser, users, features) }));
    } else {
      // No file system of that name, or none at all: an empty map, from which a client sees that there is nothing to mount.
      const map = { ...mdsMapEmpty, epoch };
      session.connection.send(MMDSMap.encode({ fsid: this.fsid, epoch, map: encodeToBytes(mdsMap, map, features) }));
    }
    return epoch;
  }

  registerCommands(commands: CommandRegistry): void {
    commands.readLines('fs ls', ({ f }) => {
      if (f === undefined) return reply('No filesystems enabled\n');
      f.openArray('filesystems');
      f.close();
      return reply(f.flush());
    });
    commands.readLines('fs dump', ({ args, f }) => {
      const epoch = args.numOr('epoch', 0) || this.#map.epoch;
      const bytes = this.getVersion(epoch);
      if (bytes === undefined) return failure('ENOENT', '');
      const map = decodeFromBytes(fsMap, bytes);
      const status = `dumped fsmap epoch ${epoch}`;
      if (f === undefined) return reply(printFsMap(map), status);
      f.openObject('fsmap');
      dumpFsMap(map, f);
      f.close();
      return reply(f.flush(), status);
    });
    commands.readLines('mds stat', ({ f }) => {
      if (f === undefined) return reply('');
      f.openObject('mds_stat');
      f.openObject('fsmap');
      dumpFsMap(this.#map, f);
      f.close();
      f.int('mdsmap_first_committed', this.firstCommitted);
      f.int('mdsmap_last_committed', this.lastCommitted);
      f.close();
      return reply(f.flush());
    });
    commands.readLines('mds metadata', ({ args, f }) => {
      const who = args.optionalStr('who');
      if (who !== undefined) return failure('EINVAL', `MDS named '${who}' does not exist, or is not up`);
      const out = formatterOr(f);
      out.openArray('mds_metadata');
      out.close();
      return reply(out.flush());
    });
    for (const prefix of ['mds versions', 'mds count-metadata']) {
      commands.readLines(prefix, ({ args, f }) => {
        const out = formatterOr(f);
        out.openObject(prefix === 'mds versions' ? 'ceph_version' : args.str('property'));
        out.close();
        return reply(out.flush());
      });
    }
    commands.read('fs new', () =>
      failure('EOPNOTSUPP', 'file systems are not supported yet: this cluster has no metadata servers'),
    );
  }
}
