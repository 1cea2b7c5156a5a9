import { entityType, feature } from '../types/index.ts';
import type { Policy } from './api.ts';

const MIB = 1024 * 1024;

function policy(
  lossy: boolean,
  server: boolean,
  standby: boolean,
  resetCheck: boolean,
  registerLossyClients: boolean,
  featuresRequired: bigint,
): Policy {
  return { lossy, server, standby, resetCheck, registerLossyClients, featuresRequired };
}

/** Session behaviours by the names that Ceph gives them (msg/Policy.h). */
export const policies = {
  /** Accepts sessions that outlive their sockets, and never dials. */
  statefulServer: (required = 0n): Policy => policy(false, true, true, true, true, required),
  /** One lossy connection for each client address: a new one replaces the old. */
  statelessRegisteredServer: (required = 0n): Policy => policy(true, true, false, false, true, required),
  statelessServer: (required = 0n): Policy => policy(true, true, false, false, false, required),
  losslessPeer: (required = 0n): Policy => policy(false, false, true, false, true, required),
  /** As losslessPeer, for peers that come back under the same address (monitors): their restart is told as a remote reset. */
  losslessPeerReuse: (required = 0n): Policy => policy(false, false, true, true, true, required),
  lossyClient: (required = 0n): Policy => policy(true, false, false, false, true, required),
  losslessClient: (required = 0n): Policy => policy(false, false, false, true, true, required),
} as const;

/** The policies of one messenger: a default, and those for peers of particular types. */
export interface PolicySet {
  readonly default: Policy;
  readonly byType: ReadonlyMap<number, Policy>;
}

/** ceph-mon. Byte limits: mon_client_bytes, mon_daemon_bytes. */
export function monPolicies(clientBytes_max = 100 * MIB, daemonBytes_max = 400 * MIB): PolicySet {
  const daemons = { throttleBytes_max: daemonBytes_max };
  return {
    default: policies.statelessServer(),
    byType: new Map<number, Policy>([
      [entityType.MON, policies.losslessPeerReuse(feature.SERVER_LUMINOUS)],
      [entityType.OSD, { ...policies.statelessServer(feature.SERVER_LUMINOUS), ...daemons }],
      [entityType.CLIENT, { ...policies.statelessServer(), throttleBytes_max: clientBytes_max }],
      [entityType.MDS, { ...policies.statelessServer(), ...daemons }],
    ]),
  };
}

/** What an OSD requires of its peers (osd_required in ceph_osd.cc). */
const OSD_REQUIRED = feature.UID | feature.PGID64 | feature.OSDENC;

/** The OSD's messenger for clients, monitors and managers. Limits: osd_client_message_size_cap, osd_client_message_cap (0: none). */
export function osdPublicPolicies(clientBytes_max = 500 * MIB, clientMessages_max = 256): PolicySet {
  const clients = policies.statelessRegisteredServer();
  return {
    default: clients,
    byType: new Map<number, Policy>([
      [
        entityType.CLIENT,
        {
          ...clients,
          throttleBytes_max: clientBytes_max,
          ...(clientMessages_max > 0 ? { throttleMessages_max: clientMessages_max } : {}),
        },
      ],
      [entityType.MON, policies.lossyClient(OSD_REQUIRED)],
      [entityType.MGR, policies.lossyClient(OSD_REQUIRED)],
    ]),
  };
}

/** The OSD's messenger for other OSDs. */
export function osdClusterPolicies(): PolicySet {
  return {
    default: policies.statelessServer(),
    byType: new Map<number, Policy>([
      [entityType.MON, policies.lossyClient()],
      [entityType.OSD, policies.losslessPeer(OSD_REQUIRED)],
      [entityType.CLIENT, policies.statelessServer()],
    ]),
  };
}

export function osdHeartbeatClientPolicies(): PolicySet {
  return { default: policies.lossyClient(), byType: new Map([[entityType.OSD, policies.lossyClient()]]) };
}

export function osdHeartbeatServerPolicies(): PolicySet {
  return { default: policies.statelessServer(), byType: new Map([[entityType.OSD, policies.statelessServer()]]) };
}

/** ceph-mgr's server. Limits: mgr_client_bytes, mgr_osd_bytes, mgr_mds_bytes, mgr_mon_bytes. */
export function mgrPolicies(
  clientBytes_max = 128 * MIB,
  osdBytes_max = 512 * MIB,
  mdsBytes_max = 128 * MIB,
  monBytes_max = 128 * MIB,
): PolicySet {
  const limited = (throttleBytes_max: number): Policy => ({ ...policies.statelessServer(), throttleBytes_max });
  return {
    default: policies.statelessServer(),
    byType: new Map<number, Policy>([
      [entityType.CLIENT, limited(clientBytes_max)],
      [entityType.OSD, limited(osdBytes_max)],
      [entityType.MDS, limited(mdsBytes_max)],
      [entityType.MON, limited(monBytes_max)],
    ]),
  };
}

/** librados clients, and the OSD's own objecter. */
export function clientPolicies(): PolicySet {
  return { default: policies.lossyClient(feature.OSDREPLYMUX), byType: new Map() };
}
