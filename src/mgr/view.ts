import type { Config } from '../config/index.ts';
import type { OSDMap, PgMapDigest } from '../types/index.ts';
import type { CrushPlacement } from './crush-placement.ts';
import type { PgMap } from './pg-map.ts';

/** What commands and modules may look at. */
export interface MgrView {
  readonly osdMap: OSDMap;
  readonly pgMap: PgMap;
  /** Sums as of now. */
  readonly digest: PgMapDigest;
  readonly placement: CrushPlacement;
  readonly config: Config;
  /** Wall clock. */
  readonly now_ms: number;
}
