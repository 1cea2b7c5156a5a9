/** Listings of a PG's objects: pgls and pgnls, with the cursor that both sides keep. */
import { Buffer } from 'node:buffer';
import { errno } from '../../base/index.ts';
import { type Decoded, encodeToBytes, Reader, Writer } from '../../encoding/index.ts';
import type { ObjectStore } from '../../store/index.ts';
import {
  CEPH_NOSNAP,
  compareGhobject,
  compareHobject,
  formatSnapid,
  Ghobject,
  type Hobject,
  hobject,
  hobjectMax,
  hobjectMin,
  inconsistentObject,
  inconsistentSnapset,
  type PgId,
  pgHobjectEnd,
  pgHobjectStart,
  scrubLsArg,
  scrubLsResult,
} from '../../types/index.ts';
import type { MissingSet } from '../pg/missing.ts';
import type { ScrubFindings } from '../pg/scrub.ts';
import type { ClientOp } from './client-op.ts';
import { opCode } from './codes.ts';
import type { SubOp } from './sub-op.ts';

/** librados::all_nspaces. */
const ALL_NAMESPACES = '\x01';
const HIT_SET_NAMESPACE = '.ceph-internal';

export interface ListHost {
  readonly store: ObjectStore;
  readonly coll: string;
  readonly shard: number;
  readonly pgid: PgId;
  readonly pgNum: number;
  readonly missing: MissingSet;
  /** First epoch of the interval, and what the last scrub in it has found. */
  readonly interval: number;
  readonly findings: ScrubFindings | undefined;
  readonly listMax: number;
}

/** Answers the operations of a PG request. Returns the result of the whole. */
export function runPgOps(host: ListHost, op: ClientOp): number {
  let result = 0;
  for (const sub of op.ops) {
    switch (sub.code) {
      case opCode.PGNLS:
      case opCode.PGLS:
        result = op.snapId === CEPH_NOSNAP ? list(host, op, sub, sub.code === opCode.PGNLS) : -errno.EINVAL;
        break;
      case opCode.PGNLS_FILTER:
      case opCode.PGLS_FILTER:
        result = listFiltered(host, op, sub);
        break;
      case opCode.PG_HITSET_LS: {
        const w = new Writer(4);
        w.u32(0);
        sub.out(w.bytes());
        result = 0;
        break;
      }
      case opCode.PG_HITSET_GET:
        result = -errno.ENOENT;
        break;
      case opCode.SCRUBLS:
        result = listFindings(host, sub);
        break;
      default:
        result = -errno.EINVAL;
    }
    sub.rval = result;
    if (result < 0) break;
  }
  return result;
}

/** Objects of the store from `from` that are heads, with the missing ones among them, in order. */
function page(host: ListHost, from: Hobject, end: Hobject, limit: number): { objects: Hobject[]; next: Hobject } {
  const start = new Ghobject(from, undefined, host.shard);
  const stop = end.isMax ? undefined : new Ghobject(end, undefined, host.shard);
  const found = host.store.list(host.coll, start, stop, limit);
  const done = found.next.isMax || (stop !== undefined && compareGhobject(found.next, stop) >= 0);
  const next = done ? hobjectMax : found.next.hobj;
  const objects = found.objects.filter((o) => !o.isPgMeta).map((o) => o.hobj);
  if (!host.missing.empty) {
    const seen = new Set(objects.map((o) => o.mapKey));
    for (const item of host.missing.items()) {
      if (compareHobject(item.oid, from) < 0 || compareHobject(item.oid, next) >= 0) continue;
      if (!seen.has(item.oid.mapKey)) objects.push(item.oid);
    }
    objects.sort(compareHobject);
  }
  return { objects, next };
}

/** Order of findings: by snapshot, then by name. */
function findingKey(id: { readonly name: string; readonly nspace: string; readonly snap: number }): string {
  return `${formatSnapid(id.snap)}\0${id.name}\0${id.nspace}`;
}

/** scrubls: objects or snapshot sets that the last scrub found inconsistent. */
function listFindings(host: ListHost, sub: SubOp): number {
  let asked: Decoded<typeof scrubLsArg>;
  try {
    asked = scrubLsArg.decode(new Reader(sub.indata));
  } catch {
    return -errno.EINVAL;
  }
  const { interval, findings } = host;
  if (asked.interval !== 0 && asked.interval !== interval) return -errno.EAGAIN;
  if (findings === undefined) return -errno.ENOENT;
  const after = asked.startAfter.name === '' ? '' : findingKey(asked.startAfter);
  const found: [string, Uint8Array][] = [];
  if (asked.getSnapsets !== 0) {
    for (const x of findings.snapsets) found.push([findingKey(x.object), encodeToBytes(inconsistentSnapset, x)]);
  } else for (const x of findings.objects) found.push([findingKey(x.object), encodeToBytes(inconsistentObject, x)]);
  const values = found
    .filter(([key]) => key > after)
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
    .slice(0, asked.max)
    .map(([, bytes]) => bytes);
  sub.out(encodeToBytes(scrubLsResult, { interval, values }));
  return 0;
}

/** Only objects with this value of an xattr (in the store's names). */
interface Filter {
  readonly xattr: string;
  readonly value: Uint8Array;
}

/** Names of filters that compare one xattr: Ceph's own, and the one of its sample class. */
const XATTR_FILTERS: ReadonlySet<string> = new Set(['plain', 'hello.hello']);

/** Input: strings cname and mname (of no use), the filter's name and parameters, then the cursor. */
function listFiltered(host: ListHost, op: ClientOp, sub: SubOp): number {
  let filter: Filter;
  let rest: Uint8Array;
  try {
    const r = new Reader(sub.indata);
    r.string();
    r.string();
    if (!XATTR_FILTERS.has(r.string())) return -errno.EINVAL;
    filter = { xattr: r.string(), value: r.blob() };
    rest = sub.indata.subarray(r.offset);
  } catch {
    return -errno.EINVAL;
  }
  if (op.snapId !== CEPH_NOSNAP) return -errno.EINVAL;
  return list(host, op, sub, sub.code === opCode.PGNLS_FILTER, filter, rest);
}

function passes(host: ListHost, oid: Hobject, filter: Filter): boolean {
  const found = host.store.getAttr(host.coll, new Ghobject(oid, undefined, host.shard), filter.xattr);
  return found !== undefined && Buffer.compare(found, filter.value) === 0;
}

function list(
  host: ListHost,
  op: ClientOp,
  sub: SubOp,
  named: boolean,
  filter?: Filter,
  cursorBytes: Uint8Array = sub.indata,
): number {
  const limit = Math.min(host.listMax, sub.unionU64num(0));
  const start = pgHobjectStart(host.pgid);
  const end = pgHobjectEnd(host.pgid, host.pgNum);
  let cursor: Hobject;
  try {
    cursor = cursorBytes.length === 0 ? hobjectMin : hobject.decode(new Reader(cursorBytes));
  } catch {
    return -errno.EINVAL;
  }
  if (named) {
    const before = compareHobject(cursor, hobjectMin) !== 0 && compareHobject(cursor, start) < 0;
    if (before || (!cursor.isMax && compareHobject(cursor, end) >= 0)) return -errno.EINVAL;
  }
  const entries: Hobject[] = [];
  let next = cursor;
  let finished = cursor.isMax;
  // A page may hold clones and other namespaces only: goes on until there is something to say, within reason.
  for (let rounds = 0; !finished && entries.length < limit && rounds < 16; rounds++) {
    const from = compareHobject(next, start) < 0 ? start : next;
    const got = page(host, from, end, limit);
    next = got.next;
    finished = got.next.isMax;
    for (const oid of got.objects) {
      if (oid.snap !== CEPH_NOSNAP || oid.isTemp || oid.nspace === HIT_SET_NAMESPACE) continue;
      if (op.nspace !== ALL_NAMESPACES && oid.nspace !== op.nspace) continue;
      if (filter !== undefined && !passes(host, oid, filter)) continue;
      if (entries.length === limit) {
        next = oid;
        finished = false;
        break;
      }
      entries.push(oid);
    }
  }
  const w = new Writer(256 + entries.length * 48);
  // pg_nls_response_t has a header with a length, pg_ls_response_t a version only.
  const token = named ? w.structStart(1, 1) : 0;
  if (!named) w.u8(1);
  hobject.encode(w, finished && named ? end : next);
  w.u32(entries.length);
  for (const oid of entries) {
    if (named) w.string(oid.nspace);
    w.string(oid.oid);
    w.string(oid.key);
  }
  if (named) w.structEnd(token);
  sub.out(w.bytes());
  return finished ? 1 : 0;
}
