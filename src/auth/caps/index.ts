import { ErrnoError } from '../../base/index.ts';
import { MdsCap } from './mds-cap.ts';
import { MgrCap } from './mgr-cap.ts';
import { MonCap } from './mon-cap.ts';
import { OsdCap } from './osd-cap.ts';

export type { CommandArgs } from './constraint.ts';
export { MdsCap, type MdsCapGrant } from './mds-cap.ts';
export { MgrCap, type MgrCapGrant, type MgrCapRequest } from './mgr-cap.ts';
export { capBits, MonCap, type MonCapGrant, type MonCapRequest, monCap } from './mon-cap.ts';
export {
  OsdCap,
  type OsdCapGrant,
  type OsdCapRequest,
  type OsdClassCall,
  osdCapBits,
  type PoolApplications,
} from './osd-cap.ts';

const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  mon: MonCap.parse,
  osd: OsdCap.parse,
  mgr: MgrCap.parse,
  mds: MdsCap.parse,
};

/**
 * What is wrong with caps for a service, as `ceph auth caps` says it (with EINVAL); undefined where they are right.
 * `validateAll`: option mon_auth_validate_all_caps; without it only mon caps are looked at.
 */
export function capsProblem(service: string, caps: string, validateAll = true): string | undefined {
  if (service !== 'mon' && !validateAll) return undefined;
  const parse = Object.hasOwn(parsers, service) ? parsers[service] : undefined;
  if (parse === undefined) return `unknown cap type '${service}'`;
  try {
    parse(caps);
    return undefined;
  } catch (error) {
    if (error instanceof ErrnoError) return error.message.slice(`${error.errnoName}: `.length);
    throw error;
  }
}
