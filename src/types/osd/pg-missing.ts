import { bool, type Codec, since, struct } from '../../encoding/index.ts';
import { feature, hasFeature } from '../features.ts';
import { type Eversion, eversion, eversionMax, eversionZero, sameEversion } from './eversion.ts';
import { compareHobject, type Hobject, hobject } from './hobject.ts';
import { cleanRegionsNone, type ObjectCleanRegions, objectCleanRegions } from './pg-log.ts';

/** pg_missing_item: an object of which a copy is behind. */
export interface PgMissingItem {
  readonly need: Eversion;
  /** {@link eversionZero} for none. */
  readonly have: Eversion;
  /** To be deleted. */
  readonly isDelete: boolean;
  readonly cleanRegions: ObjectCleanRegions;
}

const FLAG_DELETE = 1;

/*
 * eversion 0'0, then a mark eversion max (Octopus and later) or the needed version at once: need, have, u8 flags and, with the mark, the clean
 * regions.
 */
export const pgMissingItem: Codec<PgMissingItem> = {
  name: 'pg_missing_item',
  length_min: 37,
  encode(w, item) {
    const octopus = hasFeature(w.features, feature.SERVER_OCTOPUS);
    eversion.encode(w, eversionZero);
    if (octopus) eversion.encode(w, eversionMax);
    eversion.encode(w, item.need);
    eversion.encode(w, item.have);
    w.u8(item.isDelete ? FLAG_DELETE : 0);
    if (octopus) objectCleanRegions.encode(w, item.cleanRegions);
  },
  decode(r) {
    eversion.decode(r);
    const mark = eversion.decode(r);
    const octopus = sameEversion(mark, eversionMax);
    const need = octopus ? eversion.decode(r) : mark;
    const have = eversion.decode(r);
    const isDelete = (r.u8() & FLAG_DELETE) !== 0;
    const cleanRegions = octopus ? objectCleanRegions.decode(r) : cleanRegionsNone;
    return { need, have, isDelete, cleanRegions };
  },
};

/** pg_missing_t: objects that are behind, by their `mapKey`; see {@link pgMissingAdd}. */
export interface PgMissing {
  missing: Map<string, { readonly soid: Hobject; readonly item: PgMissingItem }>;
  mayIncludeDeletes: boolean;
}

export function makePgMissing(): PgMissing {
  return { missing: new Map(), mayIncludeDeletes: false };
}

export function pgMissingAdd(m: PgMissing, soid: Hobject, item: PgMissingItem): void {
  m.missing.set(soid.mapKey, { soid, item });
}

const items: Codec<PgMissing['missing']> = {
  name: 'map<hobject_t, pg_missing_item>',
  length_min: 4,
  encode(w, missing) {
    w.u32(missing.size);
    for (const { soid, item } of [...missing.values()].sort((a, b) => compareHobject(a.soid, b.soid))) {
      hobject.encode(w, soid);
      pgMissingItem.encode(w, item);
    }
  },
  decode(r) {
    const missing: PgMissing['missing'] = new Map();
    for (let n = r.count(hobject.length_min + pgMissingItem.length_min); n > 0; n--) {
      const soid = hobject.decode(r);
      missing.set(soid.mapKey, { soid, item: pgMissingItem.decode(r) });
    }
    return missing;
  },
};

export const pgMissing: Codec<PgMissing> = struct(
  'pg_missing_t',
  { version: 5, compat: 2 },
  { missing: items, mayIncludeDeletes: since(4, bool, () => false) },
);
