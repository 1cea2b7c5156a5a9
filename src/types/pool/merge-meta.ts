import { type Codec, struct, u32 } from '../../encoding/index.ts';
import { type Eversion, eversion, eversionZero } from '../osd/eversion.ts';
import { type PgKey, pgKey, pgKeyCodec } from '../pg-key.ts';

/** pg_merge_meta_t: what is remembered of the last merge of two PGs, for the merged PG to start from. */
export interface PgMergeMeta {
  readonly sourcePg: PgKey;
  readonly readyEpoch: number;
  readonly lastEpochStarted: number;
  readonly lastEpochClean: number;
  readonly sourceVersion: Eversion;
  readonly targetVersion: Eversion;
}

export const pgMergeMetaNone: PgMergeMeta = {
  sourcePg: pgKey(0, 0),
  readyEpoch: 0,
  lastEpochStarted: 0,
  lastEpochClean: 0,
  sourceVersion: eversionZero,
  targetVersion: eversionZero,
};

export const pgMergeMeta: Codec<PgMergeMeta> = struct(
  'pg_merge_meta_t',
  { version: 1, compat: 1 },
  {
    sourcePg: pgKeyCodec,
    readyEpoch: u32,
    lastEpochStarted: u32,
    lastEpochClean: u32,
    sourceVersion: eversion,
    targetVersion: eversion,
  },
);
