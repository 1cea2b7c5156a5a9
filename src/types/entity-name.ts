import { type Codec, plain, s64num, string, u8, u32 } from '../encoding/index.ts';

/** CEPH_ENTITY_TYPE_*: single bits, so that sets of them are masks. */
export const entityType = {
  MON: 0x01,
  MDS: 0x02,
  OSD: 0x04,
  CLIENT: 0x08,
  MGR: 0x10,
  AUTH: 0x20,
  ANY: 0xff,
} as const;

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [entityType.MON, 'mon'],
  [entityType.MDS, 'mds'],
  [entityType.OSD, 'osd'],
  [entityType.CLIENT, 'client'],
  [entityType.MGR, 'mgr'],
  [entityType.AUTH, 'auth'],
]);

/** `osd` for 4, and so on; `unknown` for what is not one type. */
export function entityTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? 'unknown';
}

/** The type called `name`, or undefined. */
export function entityTypeFromName(name: string): number | undefined {
  for (const [type, known] of TYPE_NAMES) if (known === name) return type;
  return undefined;
}

/** entity_name_t: a process on the network, `osd.3`, `client.4123`. */
export interface EntityName {
  /** One of {@link entityType}; 0 where it is not known. */
  readonly type: number;
  /** Rank, OSD id or global id; -1 for one that has none yet. */
  readonly num: number;
}

export const entityName: Codec<EntityName> = plain('entity_name_t', { type: u8, num: s64num });

export function makeEntityName(type: number, num = -1): EntityName {
  return { type, num };
}

/** As Ceph prints it: `osd.0`, `mon.?` for one without number. */
export function formatEntityName(name: EntityName): string {
  return `${entityTypeName(name.type)}.${name.num < 0 ? '?' : name.num}`;
}

/** Parses `osd.0`; undefined unless it is a known type and a decimal number. */
export function parseEntityName(text: string): EntityName | undefined {
  const dot = text.indexOf('.');
  if (dot < 0) return undefined;
  const type = entityTypeFromName(text.slice(0, dot));
  const digits = text.slice(dot + 1);
  if (type === undefined || type === entityType.AUTH || !/^-?\d+$/.test(digits)) return undefined;
  const num = Number(digits);
  return Number.isSafeInteger(num) ? { type, num } : undefined;
}

export function sameEntityName(a: EntityName, b: EntityName): boolean {
  return a.type === b.type && a.num === b.num;
}

/** Order of std::less<entity_name_t>: type, then number. */
export function compareEntityName(a: EntityName, b: EntityName): number {
  return a.type - b.type || a.num - b.num;
}

/** EntityName of Ceph's auth: who holds a key, `client.admin`, `osd.0`. */
export interface AuthName {
  /** One of {@link entityType}. */
  readonly type: number;
  /** What follows the type and the dot. */
  readonly id: string;
}

export const authName: Codec<AuthName> = plain('EntityName', { type: u32, id: string });

export function formatAuthName(name: AuthName): string {
  return name.type === 0 ? '' : `${entityTypeName(name.type)}.${name.id}`;
}

/** Parses `client.admin`; undefined unless the type is known. The id may be empty and may hold dots. */
export function parseAuthName(text: string): AuthName | undefined {
  const dot = text.indexOf('.');
  if (dot < 0) return undefined;
  const type = entityTypeFromName(text.slice(0, dot));
  return type === undefined ? undefined : { type, id: text.slice(dot + 1) };
}

export function sameAuthName(a: AuthName, b: AuthName): boolean {
  return a.type === b.type && a.id === b.id;
}

/** Order of std::less<EntityName>: type, then id. */
export function compareAuthName(a: AuthName, b: AuthName): number {
  return a.type - b.type || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
