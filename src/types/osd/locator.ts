import { blob, type Codec, string, struct } from '../../encoding/index.ts';
import type { Hobject } from './hobject.ts';

/** object_locator_t: what places an object: pool, and key or hash where they are not the name's; its namespace. */
export interface ObjectLocator {
  readonly pool: number;
  /** Placed by this instead of the name, where not empty. Not together with a hash. */
  readonly key: string;
  readonly nspace: string;
  /** Placed by this hash where it is not negative. */
  readonly hash: number;
}

export const objectLocatorNone: ObjectLocator = Object.freeze({ pool: -1, key: '', nspace: '', hash: -1 });

export const objectLocator: Codec<ObjectLocator> = {
  name: 'object_locator_t',
  length_min: 6,
  encode(w, l) {
    // A reader from before version 6 would place by the name what is to be placed by the hash.
    const token = w.structStart(6, l.hash === -1 ? 3 : 6);
    w.s64num(l.pool);
    w.s32(-1);
    w.string(l.key);
    w.string(l.nspace);
    w.s64num(l.hash);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(6);
    const pool = r.s64num();
    r.s32(); // preferred OSD, no longer used
    const key = r.string();
    const nspace = frame.version >= 5 ? r.string() : '';
    const hash = frame.version >= 6 ? r.s64num() : -1;
    if (hash !== -1 && key !== '') r.fail('object_locator_t with both key and hash');
    r.structEnd(frame);
    return { pool, key, nspace, hash };
  },
};

export function makeObjectLocator(pool: number, nspace = '', key = ''): ObjectLocator {
  return { pool, key, nspace, hash: -1 };
}

export function hobjectLocator(h: Hobject): ObjectLocator {
  return { pool: h.pool, key: h.key, nspace: h.nspace, hash: -1 };
}

/** `@pool;namespace:key`, as Ceph prints it. */
export function formatObjectLocator(l: ObjectLocator): string {
  return `@${l.pool}${l.nspace === '' ? '' : `;${l.nspace}`}${l.key === '' ? '' : `:${l.key}`}`;
}

/** request_redirect_t: where a request is to go instead. */
export interface RequestRedirect {
  readonly locator: ObjectLocator;
  /** Name to ask for; empty for the same. */
  readonly object: string;
  /** What remains of the removed OSD instructions; empty. */
  readonly legacyInstructions: Uint8Array;
}

export const requestRedirect: Codec<RequestRedirect> = struct(
  'request_redirect_t',
  { version: 1, compat: 1 },
  { locator: objectLocator, object: string, legacyInstructions: blob },
);

export const requestRedirectNone: RequestRedirect = Object.freeze({
  locator: objectLocatorNone,
  object: '',
  legacyInstructions: new Uint8Array(0),
});

export function requestRedirectIsEmpty(r: RequestRedirect): boolean {
  return r.locator.pool === -1 && r.object === '';
}
