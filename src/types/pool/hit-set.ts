import { type Codec, type Reader, struct, u32, u64num } from '../../encoding/index.ts';
import { type Formatter, formatG } from '../format/index.ts';

/** HitSet::Params: how a cache pool remembers what was accessed. */
export type HitSetParams =
  | { readonly type: 'none' | 'explicit_hash' | 'explicit_object' }
  | {
      readonly type: 'bloom';
      /** Probability of a false positive, in millionths. */
      readonly fppMicro: number;
      readonly targetSize: number;
      readonly seed: number;
    };

const TYPES = ['none', 'explicit_hash', 'explicit_object', 'bloom'] as const;

const bloom = struct(
  'BloomHitSet::Params',
  { version: 1, compat: 1 },
  { fppMicro: u32, targetSize: u64num, seed: u64num },
);
const explicit = struct('ExplicitHitSet::Params', { version: 1, compat: 1 }, {});

export const hitSetParams: Codec<HitSetParams> = {
  name: 'HitSet::Params',
  length_min: 7,
  encode(w, params) {
    const token = w.structStart(1, 1);
    w.u8(TYPES.indexOf(params.type));
    if (params.type === 'bloom') bloom.encode(w, params);
    else if (params.type !== 'none') explicit.encode(w, {});
    w.structEnd(token);
  },
  decode(r: Reader) {
    const frame = r.structStart(1);
    const type = TYPES[r.u8()];
    if (type === undefined) r.fail('unknown type of hit set');
    let params: HitSetParams;
    if (type === 'bloom') {
      params = { type, ...bloom.decode(r) };
    } else {
      if (type !== 'none') explicit.decode(r);
      params = { type };
    }
    r.structEnd(frame);
    return params;
  },
};

export function dumpHitSetParams(params: HitSetParams, f: Formatter): void {
  f.string('type', params.type);
  if (params.type !== 'bloom') return;
  f.float('false_positive_probability', params.fppMicro / 1e6);
  f.int('target_size', params.targetSize);
  f.int('seed', params.seed);
}

export function formatHitSetParams(params: HitSetParams): string {
  if (params.type !== 'bloom') return params.type;
  return `bloom{false_positive_probability: ${formatG(params.fppMicro / 1e6)}, target_size: ${params.targetSize}, seed: ${params.seed}}`;
}
