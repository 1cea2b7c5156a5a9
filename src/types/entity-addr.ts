import { type Codec, DecodeError, type Reader, type Writer } from '../encoding/index.ts';
import { feature, hasFeature } from './features.ts';
import { formatIpv6, parseIpv4, parseIpv6 } from './ip.ts';

/** Which messenger protocol an address speaks. */
export const addrType = {
  NONE: 0,
  /** msgr v1 */
  LEGACY: 1,
  MSGR2: 2,
  /** Either; in blocklists and in addresses given without a protocol. */
  ANY: 3,
  /** A network, in the range blocklist: the nonce is the length of its prefix in bits. */
  CIDR: 4,
} as const;

/** Address families as Linux numbers them. */
export const addrFamily = { UNSPEC: 0, INET: 2, INET6: 10 } as const;

/** Port and nonce limits. */
const PORT_MAX = 65535;

/** Length of the address union in Ceph's memory, which is what it writes for an address of no known family. */
const SOCKADDR_UNION_LENGTH = 28;
const SOCKADDR_IN_LENGTH = 16;
const SOCKADDR_IN6_LENGTH = 28;
const SOCKADDR_STORAGE_LENGTH = 128;

const TYPE_NAMES: readonly string[] = ['none', 'v1', 'v2', 'any', 'cidr'];

export function addrTypeName(type: number): string {
  return TYPE_NAMES[type] ?? '???';
}

/** What makes an address; see {@link EntityAddr}. */
export interface EntityAddrFields {
  readonly type?: number;
  readonly nonce?: number;
  readonly family?: number;
  readonly port?: number;
  /** Network bytes: 4 or 16 of them, none for no family. */
  readonly ip?: Uint8Array;
  readonly flowinfo?: number;
  readonly scopeId?: number;
}

const NO_IP = new Uint8Array(0);

/** entity_addr_t: where one instance of a process listens, or from where it speaks. Immutable. */
export class EntityAddr {
  /** One of {@link addrType}. */
  readonly type: number;
  /** Tells instances of a process on one port apart (its pid, or a random number). */
  readonly nonce: number;
  readonly family: number;
  readonly port: number;
  readonly ip: Uint8Array;
  /** IPv6 only, as it stands on the wire. */
  readonly flowinfo: number;
  readonly scopeId: number;
  #text: string | undefined;

  constructor(fields: EntityAddrFields = {}) {
    this.type = fields.type ?? addrType.NONE;
    this.nonce = fields.nonce ?? 0;
    this.family = fields.family ?? addrFamily.UNSPEC;
    this.port = fields.port ?? 0;
    this.ip = fields.ip ?? NO_IP;
    this.flowinfo = fields.flowinfo ?? 0;
    this.scopeId = fields.scopeId ?? 0;
  }

  static readonly none = new EntityAddr();

  /**
   * From text: `v2:127.0.0.1:6800/123`, `v1:[::1]:6789`, `any:0.0.0.0:0/0`, `10.0.0.1`, `-`. Without a protocol the type is `defaultType`.
   * Undefined where that is not the whole text.
   */
  static parse(text: string, defaultType: number = addrType.MSGR2): EntityAddr | undefined {
    const parsed = parseAddrPrefix(text, 0, defaultType);
    return parsed !== undefined && parsed.end === text.length ? parsed.addr : undefined;
  }

  /** From a socket's address. `host` is a numeric IPv4 or IPv6 address; undefined where it is not. */
  static fromHost(host: string, port: number, nonce = 0, type: number = addrType.MSGR2): EntityAddr | undefined {
    const v4 = parseIpv4(host);
    if (v4 !== undefined) return new EntityAddr({ type, nonce, family: addrFamily.INET, port, ip: v4 });
    const v6 = parseIpv6(host);
    if (v6 !== undefined) return new EntityAddr({ type, nonce, family: addrFamily.INET6, port, ip: v6 });
    return undefined;
  }

  with(fields: EntityAddrFields): EntityAddr {
    return new EntityAddr({
      type: fields.type ?? this.type,
      nonce: fields.nonce ?? this.nonce,
      family: fields.family ?? this.family,
      port: fields.port ?? this.port,
      ip: fields.ip ?? this.ip,
      flowinfo: fields.flowinfo ?? this.flowinfo,
      scopeId: fields.scopeId ?? this.scopeId,
    });
  }

  get isIpv4(): boolean {
    return this.family === addrFamily.INET;
  }

  get isIpv6(): boolean {
    return this.family === addrFamily.INET6;
  }

  /** True where it holds no IP: the wildcard address, or no family. */
  get isBlankIp(): boolean {
    return this.ip.every((b) => b === 0);
  }

  /** The IP alone, as text; empty where there is none. */
  get host(): string {
    if (this.isIpv4) return this.ip.join('.');
    return this.isIpv6 ? formatIpv6(this.ip) : '';
  }

  /** `127.0.0.1:6800`, `[::1]:6800`. */
  get sockaddrText(): string {
    if (this.isIpv4) return `${this.host}:${this.port}`;
    if (this.isIpv6) return `[${this.host}]:${this.port}`;
    return `(unrecognized address family ${this.family})`;
  }

  /** `127.0.0.1:6800/123`, as Ceph printed addresses before msgr2. */
  get legacyText(): string {
    return `${this.sockaddrText}/${this.nonce}`;
  }

  /** As Ceph prints it; parses back to an equal address. Equal texts mean equal addresses but for flowinfo and scope. */
  toString(): string {
    this.#text ??= this.#format();
    return this.#text;
  }

  #format(): string {
    if (this.type === addrType.NONE) return '-';
    const protocol = this.type === addrType.ANY ? '' : `${addrTypeName(this.type)}:`;
    return `${protocol}${this.legacyText}`;
  }

  equals(other: EntityAddr): boolean {
    return this === other || compareEntityAddr(this, other) === 0;
  }

  /** Equal, or equal but that one does not know its IP yet. */
  probablyEquals(other: EntityAddr): boolean {
    if (this.port !== other.port || this.nonce !== other.nonce) return false;
    return this.isBlankIp || other.isBlankIp || sameBytes(this.#sockaddr(), other.#sockaddr());
  }

  isSameHost(other: EntityAddr): boolean {
    return this.family === other.family && this.ip.length > 0 && sameBytes(this.ip, other.ip);
  }

  /** struct entity_addr_t as it lies in the memory of Ceph's (little-endian) hosts: its sort order is that of these bytes. */
  sortKey(): Uint8Array {
    const key = new Uint8Array(8 + SOCKADDR_UNION_LENGTH);
    const view = new DataView(key.buffer);
    view.setUint32(0, this.type, true);
    view.setUint32(4, this.nonce, true);
    key.set(this.#sockaddr(), 8);
    return key;
  }

  #sockaddr(): Uint8Array {
    const b = new Uint8Array(SOCKADDR_UNION_LENGTH);
    const view = new DataView(b.buffer);
    view.setUint16(0, this.family, true);
    this.writeSockaddrData(b, view);
    return b;
  }

  /** Fills in what follows the family of a sockaddr that starts at 0. */
  writeSockaddrData(b: Uint8Array, view: DataView): void {
    if (this.family === addrFamily.UNSPEC) return;
    view.setUint16(2, this.port, false);
    if (this.isIpv4) {
      b.set(this.ip, 4);
    } else if (this.isIpv6) {
      view.setUint32(4, this.flowinfo, true);
      b.set(this.ip, 8);
      view.setUint32(24, this.scopeId, true);
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Order of std::less<entity_addr_t>. */
export function compareEntityAddr(a: EntityAddr, b: EntityAddr): number {
  return compareBytes(a.sortKey(), b.sortKey());
}

/** Reads one address at `start`; `end` is where its text stops. */
function parseAddrPrefix(
  text: string,
  start: number,
  defaultType: number,
): { addr: EntityAddr; end: number } | undefined {
  let at = start;
  let type = defaultType;
  if (text.startsWith('v1:', at)) {
    type = addrType.LEGACY;
    at += 3;
  } else if (text.startsWith('v2:', at)) {
    type = addrType.MSGR2;
    at += 3;
  } else if (text.startsWith('any:', at)) {
    type = addrType.ANY;
    at += 4;
  } else if (text.startsWith('cidr:', at)) {
    type = addrType.CIDR;
    at += 5;
  } else if (text[at] === '-') {
    return { addr: EntityAddr.none, end: at + 1 };
  }
  const brackets = text[at] === '[';
  if (brackets) at++;
  const rest = text.slice(at, at + 64);
  const text4 = /^[0-9.]*/.exec(rest)![0];
  const text6 = /^[0-9a-fA-F:]*/.exec(rest)![0];
  let ip = parseIpv4(text4);
  let family: number = addrFamily.INET;
  if (ip !== undefined) {
    at += text4.length;
  } else {
    ip = parseIpv6(text6);
    if (ip === undefined) return undefined;
    family = addrFamily.INET6;
    at += text6.length;
  }
  if (brackets) {
    if (text[at] !== ']') return undefined;
    at++;
  }
  let port = 0;
  let nonce = 0;
  if (text[at] === ':') {
    const digits = /^\d*/.exec(text.slice(at + 1))![0];
    port = Number(digits);
    if (port > PORT_MAX) return undefined;
    at += 1 + digits.length;
  }
  if (text[at] === '/') {
    const digits = /^\d*/.exec(text.slice(at + 1))![0];
    nonce = Number(digits) >>> 0;
    at += 1 + digits.length;
  }
  return { addr: new EntityAddr({ type, nonce, family, port, ip }), end: at };
}

function decodeSockaddr(r: Reader, length: number, family: number, type: number, nonce: number): EntityAddr {
  const b = r.raw(length);
  // A short sockaddr leaves the rest zero; Ceph accepts that, so it is padded here.
  const padded = new Uint8Array(SOCKADDR_UNION_LENGTH);
  padded.set(b.subarray(0, SOCKADDR_UNION_LENGTH - 2), 2);
  const whole = new DataView(padded.buffer);
  if (family === addrFamily.INET) {
    return new EntityAddr({ type, nonce, family, port: whole.getUint16(2, false), ip: padded.slice(4, 8) });
  }
  if (family === addrFamily.INET6) {
    return new EntityAddr({
      type,
      nonce,
      family,
      port: whole.getUint16(2, false),
      flowinfo: whole.getUint32(4, true),
      ip: padded.slice(8, 24),
      scopeId: whole.getUint32(24, true),
    });
  }
  return new EntityAddr({ type, nonce, family });
}

/** After the first zero byte: 3 more bytes of the legacy u32 type, the nonce, and a sockaddr_storage whose family is big-endian. */
function decodeLegacyAfterMarker(r: Reader): EntityAddr {
  r.skip(3);
  const nonce = r.u32();
  const family = (r.u8() << 8) | r.u8();
  const known = family === addrFamily.INET || family === addrFamily.INET6;
  const type = family === addrFamily.UNSPEC ? addrType.NONE : addrType.LEGACY;
  return decodeSockaddr(r, SOCKADDR_STORAGE_LENGTH - 2, known ? family : addrFamily.UNSPEC, type, nonce);
}

function decodeAfterMarker1(r: Reader): EntityAddr {
  const frame = r.structStart(1);
  const type = r.u32();
  const nonce = r.u32();
  const length = r.u32();
  let addr: EntityAddr;
  if (length === 0) {
    addr = new EntityAddr({ type, nonce });
  } else {
    if (length < 2) r.fail('sockaddr shorter than its family');
    const family = r.u16();
    const length_max = family === addrFamily.INET ? SOCKADDR_IN_LENGTH : SOCKADDR_UNION_LENGTH;
    if (length > length_max) r.fail(`sockaddr of ${length} bytes, family ${family} takes at most ${length_max}`);
    addr = decodeSockaddr(r, length - 2, family, type, nonce);
  }
  r.structEnd(frame);
  return addr;
}

function within<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) error.within(name);
    throw error;
  }
}

/** entity_addr_t. The form hangs on MSG_ADDR2; readers tell the two apart by the first byte. */
export const entityAddr: Codec<EntityAddr> = {
  name: 'entity_addr_t',
  length_min: 19,
  encode(w: Writer, addr: EntityAddr): void {
    if (!hasFeature(w.features, feature.MSG_ADDR2)) {
      encodeLegacy(w, addr);
      return;
    }
    w.u8(1);
    const token = w.structStart(1, 1);
    const anyIsKnown = hasFeature(w.features, feature.SERVER_NAUTILUS);
    w.u32(addr.type === addrType.ANY && !anyIsKnown ? addrType.LEGACY : addr.type);
    w.u32(addr.nonce);
    const length = addr.isIpv4 ? SOCKADDR_IN_LENGTH : addr.isIpv6 ? SOCKADDR_IN6_LENGTH : SOCKADDR_UNION_LENGTH;
    w.u32(length);
    const b = new Uint8Array(length);
    const view = new DataView(b.buffer);
    view.setUint16(0, addr.family, true);
    addr.writeSockaddrData(b, view);
    w.raw(b);
    w.structEnd(token);
  },
  decode: (r) =>
    within('entity_addr_t', () => {
      const marker = r.u8();
      if (marker === 0) return decodeLegacyAfterMarker(r);
      if (marker !== 1) r.fail(`marker ${marker}, not 0 or 1`);
      return decodeAfterMarker1(r);
    }),
};

function encodeLegacy(w: Writer, addr: EntityAddr): void {
  w.u32(0);
  w.u32(addr.nonce);
  const b = new Uint8Array(SOCKADDR_STORAGE_LENGTH);
  const view = new DataView(b.buffer);
  view.setUint16(0, addr.family, false);
  addr.writeSockaddrData(b, view);
  w.raw(b);
}

/** entity_addrvec_t: the addresses of one process, one for each protocol. Immutable. */
export class EntityAddrVec {
  readonly addrs: readonly EntityAddr[];

  constructor(addrs: readonly EntityAddr[] = []) {
    this.addrs = addrs;
  }

  static readonly empty = new EntityAddrVec();

  static of(...addrs: EntityAddr[]): EntityAddrVec {
    return new EntityAddrVec(addrs);
  }

  /** From `[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]` or one address; undefined where that is not the whole text. */
  static parse(text: string, defaultType: number = addrType.MSGR2): EntityAddrVec | undefined {
    const parsed = EntityAddrVec.parsePrefix(text, 0, defaultType);
    return parsed !== undefined && parsed.end === text.length ? parsed.addrs : undefined;
  }

  /** As {@link EntityAddrVec.parse}, of the text from `start` on; `end` is where the addresses stop. */
  static parsePrefix(
    text: string,
    start = 0,
    defaultType: number = addrType.MSGR2,
  ): { addrs: EntityAddrVec; end: number } | undefined {
    const whole = parseAddrPrefix(text, start, defaultType);
    // `[` opens a list unless it is an IPv6 address in brackets.
    if (text[start] !== '[' || whole?.addr.isIpv6 === true) {
      return whole === undefined ? undefined : { addrs: EntityAddrVec.of(whole.addr), end: whole.end };
    }
    const addrs: EntityAddr[] = [];
    let at = start + 1;
    for (;;) {
      const one = parseAddrPrefix(text, at, defaultType);
      if (one === undefined) return undefined;
      addrs.push(one.addr);
      at = one.end;
      if (text[at] !== ',') break;
      at++;
    }
    return text[at] === ']' ? { addrs: new EntityAddrVec(addrs), end: at + 1 } : undefined;
  }

  get length(): number {
    return this.addrs.length;
  }

  get isEmpty(): boolean {
    return this.addrs.length === 0;
  }

  get front(): EntityAddr {
    return this.addrs[0] ?? EntityAddr.none;
  }

  /** The first of that type, or the blank address. */
  ofType(type: number): EntityAddr {
    return this.addrs.find((a) => a.type === type) ?? EntityAddr.none;
  }

  get msgr2(): EntityAddr {
    return this.ofType(addrType.MSGR2);
  }

  get hasMsgr2(): boolean {
    return this.addrs.some((a) => a.type === addrType.MSGR2);
  }

  get legacy(): EntityAddr {
    return this.ofType(addrType.LEGACY);
  }

  get legacyOrFront(): EntityAddr {
    return this.addrs.find((a) => a.type === addrType.LEGACY) ?? this.front;
  }

  /** An address shown to those who know only v1: the v1 one, or the first, said to be v1. */
  get asLegacy(): EntityAddr {
    const found = this.addrs.find((a) => a.type === addrType.LEGACY || a.type === addrType.ANY) ?? this.front;
    return found.with({ type: addrType.LEGACY });
  }

  /** `127.0.0.1:6801/123`: how JSON dumps show `addr` beside `addrs`. */
  get legacyText(): string {
    return this.legacyOrFront.legacyText;
  }

  contains(addr: EntityAddr): boolean {
    return this.addrs.some((a) => a.equals(addr));
  }

  isSameHost(addr: EntityAddr): boolean {
    return this.addrs.some((a) => a.isSameHost(addr));
  }

  equals(other: EntityAddrVec): boolean {
    return (
      this === other ||
      (this.addrs.length === other.addrs.length && this.addrs.every((a, i) => a.equals(other.addrs[i]!)))
    );
  }

  /** Equal, or one is the lone v1 address of the other. */
  legacyEquals(other: EntityAddrVec): boolean {
    if (this.equals(other)) return true;
    const alone = (v: EntityAddrVec): boolean => v.length === 1 && v.front.type === addrType.LEGACY;
    return (alone(this) && this.front.equals(other.legacy)) || (alone(other) && other.front.equals(this.legacy));
  }

  /** Same length and each pair equal but for unknown IPs. */
  probablyEquals(other: EntityAddrVec): boolean {
    return this.addrs.length === other.addrs.length && this.addrs.every((a, i) => a.probablyEquals(other.addrs[i]!));
  }

  toString(): string {
    if (this.addrs.length === 1) return this.addrs[0]!.toString();
    return this.addrs.length === 0 ? '' : `[${this.addrs.join(',')}]`;
  }
}

/** Order of std::less<entity_addrvec_t>. */
export function compareEntityAddrVec(a: EntityAddrVec, b: EntityAddrVec): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const order = compareEntityAddr(a.addrs[i]!, b.addrs[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** entity_addrvec_t: a list after the marker 2, or for those without MSG_ADDR2 one legacy address. */
export const entityAddrVec: Codec<EntityAddrVec> = {
  name: 'entity_addrvec_t',
  length_min: 5,
  encode(w, vec) {
    if (!hasFeature(w.features, feature.MSG_ADDR2)) {
      encodeLegacy(w, vec.legacy);
      return;
    }
    w.u8(2);
    w.u32(vec.addrs.length);
    for (const addr of vec.addrs) entityAddr.encode(w, addr);
  },
  decode: (r) =>
    within('entity_addrvec_t', () => {
      const marker = r.u8();
      if (marker === 0) return EntityAddrVec.of(decodeLegacyAfterMarker(r));
      if (marker === 1) return EntityAddrVec.of(decodeAfterMarker1(r));
      if (marker !== 2) r.fail(`marker ${marker}, not 0, 1 or 2`);
      const n = r.count(entityAddr.length_min);
      const addrs: EntityAddr[] = [];
      for (let i = 0; i < n; i++) addrs.push(entityAddr.decode(r));
      return new EntityAddrVec(addrs);
    }),
};
