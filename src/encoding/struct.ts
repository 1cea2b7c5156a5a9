import type { Codec } from './codec.ts';
import { DecodeError } from './error.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** A field that came with a later version of its struct, or left with one. */
export interface VersionedField<T> {
  readonly codec: Codec<T>;
  /** First version that carries it. */
  readonly since: number;
  /** First version that no longer carries it. */
  readonly until: number;
  /** Value where the writer was too old (or too new) to send it. */
  readonly absent: () => T;
}

type FieldSpec<T> = Codec<T> | VersionedField<T>;
// biome-ignore lint/suspicious/noExplicitAny: a field list is heterogeneous; the inferred struct type is exact.
type Fields = { readonly [name: string]: FieldSpec<any> };
export type StructOf<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends Codec<infer T> ? T : F[K] extends VersionedField<infer T> ? T : never;
};

/** Present from `version` on. `absent` makes the value for older writers. */
export function since<T>(version: number, codec: Codec<T>, absent: () => T): VersionedField<T> {
  return { codec, since: version, until: Number.POSITIVE_INFINITY, absent };
}

/** Present in versions [from, until). */
export function between<T>(from: number, until: number, codec: Codec<T>, absent: () => T): VersionedField<T> {
  return { codec, since: from, until, absent };
}

export interface StructOptions {
  /** Version written, and the newest understood. */
  readonly version: number;
  /** Oldest reader that can make sense of what is written. */
  readonly compat: number;
  /** Version (and compat) to write for a receiver with these feature bits, where that differs. */
  readonly forFeatures?: (features: bigint) => { version: number; compat: number };
}

interface CompiledField {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly since: number;
  readonly until: number;
  readonly absent: (() => unknown) | undefined;
}

function compile(fields: Fields): CompiledField[] {
  return Object.entries(fields).map(([name, spec]) =>
    'codec' in spec
      ? { name, codec: spec.codec, since: spec.since, until: spec.until, absent: spec.absent }
      : { name, codec: spec, since: 0, until: Number.POSITIVE_INFINITY, absent: undefined },
  );
}

function encodeFields(compiled: CompiledField[], w: Writer, value: Record<string, unknown>, version: number): void {
  for (const f of compiled) if (version >= f.since && version < f.until) f.codec.encode(w, value[f.name]);
}

function decodeFields(compiled: CompiledField[], struct: string, r: Reader, version: number): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  let i = 0;
  try {
    for (; i < compiled.length; i++) {
      const f = compiled[i]!;
      value[f.name] = version >= f.since && version < f.until ? f.codec.decode(r) : f.absent?.();
    }
  } catch (error) {
    if (error instanceof DecodeError) error.within(`${struct}.${compiled[i]!.name}`);
    throw error;
  }
  return value;
}

/** A struct with Ceph's version header (u8 version, u8 compat, u32 length): ENCODE_START ... ENCODE_FINISH. */
export function struct<F extends Fields>(name: string, options: StructOptions, fields: F): Codec<StructOf<F>> {
  const compiled = compile(fields);
  return {
    name,
    length_min: 6,
    encode(w, value) {
      const { version, compat } = options.forFeatures?.(w.features) ?? options;
      const token = w.structStart(version, compat);
      encodeFields(compiled, w, value as Record<string, unknown>, version);
      w.structEnd(token);
    },
    decode(r) {
      let frame: ReturnType<Reader['structStart']>;
      try {
        frame = r.structStart(options.version);
      } catch (error) {
        if (error instanceof DecodeError) error.within(name);
        throw error;
      }
      const value = decodeFields(compiled, name, r, frame.version);
      r.structEnd(frame);
      return value as StructOf<F>;
    },
  };
}

/** Fields one after another with no header (Ceph's plain structs, and those of fixed layout). */
export function plain<F extends Fields>(name: string, fields: F): Codec<StructOf<F>> {
  const compiled = compile(fields);
  return {
    name,
    length_min: compiled.reduce((sum, f) => sum + f.codec.length_min, 0),
    encode: (w, value) => encodeFields(compiled, w, value as Record<string, unknown>, 0),
    decode: (r) => decodeFields(compiled, name, r, 0) as StructOf<F>,
  };
}

/** Fields whose version travels elsewhere, as a message's does in its header. */
export interface BodyCodec<T> {
  readonly name: string;
  readonly version: number;
  readonly compat: number;
  encode(w: Writer, value: T, version?: number): void;
  decode(r: Reader, version: number): T;
}

export function body<F extends Fields>(name: string, options: StructOptions, fields: F): BodyCodec<StructOf<F>> {
  const compiled = compile(fields);
  return {
    name,
    version: options.version,
    compat: options.compat,
    encode: (w, value, version = options.version) =>
      encodeFields(compiled, w, value as Record<string, unknown>, version),
    decode: (r, version) => decodeFields(compiled, name, r, version) as StructOf<F>,
  };
}
