import { type BodyCodec, DecodeError, Reader, Writer } from '../encoding/index.ts';
import { CEPH_FEATURES_ALL } from '../types/index.ts';

/**
 * A message in its three parts with the header fields that belong to its content; what the messenger sends (its WireMessage has
 * this very shape).
 */
export interface MessageParts {
  readonly type: number;
  readonly version: number;
  readonly compatVersion: number;
  readonly priority: number;
  readonly tid: number;
  readonly front: Uint8Array;
  readonly middle: Uint8Array;
  readonly data: readonly Uint8Array[];
  readonly dataOffset: number;
  readonly dataCrc?: number;
}

/** What decoding needs of a received message. */
export type IncomingParts = Pick<
  MessageParts,
  'type' | 'version' | 'compatVersion' | 'tid' | 'front' | 'middle' | 'data'
>;

export const messagePriority = { LOW: 64, DEFAULT: 127, HIGH: 196, HIGHEST: 255 } as const;

export interface EncodeOptions {
  /** Transaction id; 0 where none is given. */
  readonly tid?: number;
  /** Feature bits of the receiver; CEPH_FEATURES_ALL where none are given. */
  readonly features?: bigint;
  /**
   * One of {@link messagePriority} or a number between. Where none is given: what the message itself asks for, else DEFAULT. (Monitors send all
   * that asks for nothing with HIGH.)
   */
  readonly priority?: number;
}

/** Codec of one type of message: fields in `Input`, some of which may be left out, to parts; parts to fields. */
export interface MessageType<Fields, Input = Fields> {
  /** Number on the wire. */
  readonly type: number;
  /** As Ceph prints it: `mon_command`. */
  readonly name: string;
  readonly version: number;
  readonly compat: number;
  encode(fields: Input, options?: EncodeOptions): MessageParts;
  /** Throws DecodeError for another type, a version this code cannot read, or bytes that do not fit. */
  decode(parts: IncomingParts): Fields;
}

const NONE = new Uint8Array(0);
const NO_DATA: readonly Uint8Array[] = Object.freeze([]);
export const noBytes: Uint8Array = NONE;
export const noData: readonly Uint8Array[] = NO_DATA;

/** Version and oldest reader's version of a message for one receiver. */
export interface VersionChoice {
  readonly version: number;
  readonly compat: number;
}

type Optional<T, D> = Omit<T, keyof D> & Partial<Pick<T, keyof D & keyof T>>;

export interface MessageOptions<D> {
  /** Values of fields that the sender may leave out. */
  readonly defaults?: D;
  /** Priority it is sent with by default. */
  readonly priority?: number;
  /** Version for a receiver with these features, where that may differ. The compat version is its lower bound. */
  readonly versionFor?: (features: bigint) => VersionChoice;
}

export function checkHeader(parts: IncomingParts, type: number, name: string, version: number): void {
  if (parts.type !== type) throw new DecodeError(`message of type ${parts.type} taken for ${name}`, 0);
  if (parts.compatVersion > version) {
    throw new DecodeError(`${name}: needs version ${parts.compatVersion}, this program reads up to ${version}`, 0);
  }
}

/** A message whose fields are all in its front. */
export function defineMessage<T, D extends Partial<T> = Record<never, never>>(
  type: number,
  codec: BodyCodec<T>,
  options: MessageOptions<D> = {},
): MessageType<T, Optional<T, D>> {
  const { name, version, compat } = codec;
  const { defaults, versionFor } = options;
  const priorityDefault = options.priority ?? messagePriority.DEFAULT;
  return {
    type,
    name,
    version,
    compat,
    encode(fields, given = {}) {
      const w = new Writer(256, given.features ?? CEPH_FEATURES_ALL);
      const chosen = versionFor === undefined ? undefined : versionFor(w.features);
      const full = (defaults === undefined ? fields : { ...defaults, ...fields }) as T;
      codec.encode(w, full, chosen?.version ?? version);
      return {
        type,
        version: chosen?.version ?? version,
        compatVersion: chosen?.compat ?? compat,
        priority: given.priority ?? priorityDefault,
        tid: given.tid ?? 0,
        front: w.bytes(),
        middle: NONE,
        data: NO_DATA,
        dataOffset: 0,
      };
    },
    decode(parts) {
      checkHeader(parts, type, name, version);
      return codec.decode(new Reader(parts.front), parts.version);
    },
  };
}

/** A message with a payload in its data segment: field `data`, whole; empty where none is given. */
export function defineDataMessage<T, D extends Partial<T> = Record<never, never>>(
  type: number,
  codec: BodyCodec<T>,
  options: MessageOptions<D> = {},
): MessageType<T & { data: Uint8Array }, Optional<T, D> & { data?: Uint8Array }> {
  const inner = defineMessage(type, codec, options);
  return {
    type,
    name: inner.name,
    version: inner.version,
    compat: inner.compat,
    encode({ data, ...fields }, given) {
      const parts = inner.encode(fields as unknown as Optional<T, D>, given);
      return data === undefined || data.length === 0 ? parts : { ...parts, data: [data] };
    },
    decode(parts) {
      return { ...inner.decode(parts), data: joinParts(parts.data) };
    },
  };
}

/** One array of several parts; the part itself where there is one. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const p of parts) length += p.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const p of parts) {
    whole.set(p, at);
    at += p.length;
  }
  return whole;
}
