/** What commands do with whole objects: plain ones, or striped ones with --striper. */
import { type IoCtx, WriteOperation } from '../../client/index.ts';
import { osdFlag } from '../../messages/index.ts';
import { readData, readStat, readXattr, readXattrs } from './reads.ts';

export interface Stat {
  readonly size: number;
  readonly mtime_ms: number;
}

/** All methods reject with an error that has `errno`. */
export interface ObjectStore {
  read(oid: string, length: number, offset: number): Promise<Uint8Array>;
  write(oid: string, data: Uint8Array, offset: number): Promise<unknown>;
  writeFull(oid: string, data: Uint8Array): Promise<unknown>;
  append(oid: string, data: Uint8Array): Promise<unknown>;
  truncate(oid: string, size: number): Promise<unknown>;
  /** `isForced`: even where the cluster is full. */
  remove(oid: string, isForced: boolean): Promise<unknown>;
  stat(oid: string): Promise<Stat>;
  getXattr(oid: string, name: string): Promise<Uint8Array>;
  getXattrs(oid: string): Promise<Map<string, Uint8Array>>;
  setXattr(oid: string, name: string, value: Uint8Array): Promise<unknown>;
  removeXattr(oid: string, name: string): Promise<unknown>;
}

export function plainStore(io: IoCtx): ObjectStore {
  return {
    read: (oid, length, offset) => readData(io, oid, length, offset),
    write: (oid, data, offset) => io.write(oid, data, offset),
    writeFull: (oid, data) => io.writeFull(oid, data),
    append: (oid, data) => io.append(oid, data),
    truncate: (oid, size) => io.truncate(oid, size),
    remove: (oid, isForced) =>
      io.operate(oid, new WriteOperation().remove(), { flags: isForced ? osdFlag.FULL_FORCE | osdFlag.FULL_TRY : 0 }),
    stat: (oid) => readStat(io, oid),
    getXattr: (oid, name) => readXattr(io, oid, name),
    getXattrs: (oid) => readXattrs(io, oid),
    setXattr: (oid, name, value) => io.setXattr(oid, name, value),
    removeXattr: (oid, name) => io.removeXattr(oid, name),
  };
}
