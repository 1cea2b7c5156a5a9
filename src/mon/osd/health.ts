import { osdMapChecks } from '../../types/index.ts';
import type { HealthChecks } from '../health.ts';
import type { OsdMonitor } from './osd-monitor.ts';

/** What the OSD map itself shows to be wrong; the manager adds what the PGs show. */
export function osdChecks(osd: OsdMonitor): HealthChecks {
  return osdMapChecks(osd.map, osd.config);
}
