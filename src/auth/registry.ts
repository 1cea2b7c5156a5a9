import type { Config } from '../config/index.ts';
import { entityType } from '../types/index.ts';
import { authMethod, connectionMode } from './api.ts';

const METHOD_NAMES: Readonly<Record<string, number>> = { none: authMethod.NONE, cephx: authMethod.CEPHX };
const MODE_NAMES: Readonly<Record<string, number>> = { crc: connectionMode.CRC, secure: connectionMode.SECURE };

/** Splits an option's list; names that are not known (gss among them: not built in) are left out. */
function parseList(text: string, names: Readonly<Record<string, number>>): number[] {
  const values: number[] = [];
  for (const name of text.split(/[\s,;=]+/)) {
    const value = names[name];
    if (value !== undefined && !values.includes(value)) values.push(value);
  }
  return values;
}

const isMonLike = (type: number): boolean => type === entityType.MON || type === entityType.MGR;
const isDaemon = (type: number): boolean => isMonLike(type) || type === entityType.MDS || type === entityType.OSD;

/**
 * Which methods and connection modes hold between this process and a type of peer, by Ceph's options auth_*_required and ms_*_mode.
 * Reads the configuration at every question, so that changes count at once.
 */
export class AuthRegistry {
  readonly #ownType: number;
  readonly #config: Config;
  readonly #hasKeyring: () => boolean;

  /** `hasKeyring`: whether there is a key at all; without one cephx is not offered, as in Ceph. */
  constructor(ownType: number, config: Config, hasKeyring: () => boolean = () => true) {
    this.#ownType = ownType;
    this.#config = config;
    this.#hasKeyring = hasKeyring;
  }

  /** Most wanted first. */
  methods(peerType: number): number[] {
    const list = parseList(
      this.#config.str('auth_supported') || this.#config.str(this.#methodOption(peerType)),
      METHOD_NAMES,
    );
    return this.#hasKeyring() ? list : list.filter((m) => m !== authMethod.CEPHX);
  }

  #methodOption(peerType: number): string {
    if (this.#ownType === entityType.CLIENT) return 'auth_client_required';
    return this.isClusterPeer(peerType) ? 'auth_cluster_required' : 'auth_service_required';
  }

  /** Whether such a peer is of the cluster, in the sense of auth_cluster_required. */
  isClusterPeer(peerType: number): boolean {
    return isMonLike(this.#ownType) ? isMonLike(peerType) : isDaemon(peerType);
  }

  /** Methods for an entity of that type at a monitor, whatever the connection calls itself. */
  methodsForEntity(type: number): number[] {
    const option = isDaemon(type) ? 'auth_cluster_required' : 'auth_service_required';
    return parseList(this.#config.str('auth_supported') || this.#config.str(option), METHOD_NAMES);
  }

  /** Modes with a peer, most wanted first. Without keys (method none) there is only crc. */
  modes(peerType: number, method?: number): number[] {
    const list = parseList(this.#config.str(this.#modeOption(peerType)), MODE_NAMES);
    return method === authMethod.NONE ? list.filter((m) => m === connectionMode.CRC) : list;
  }

  #modeOption(peerType: number): string {
    if (this.#ownType === entityType.CLIENT) return isMonLike(peerType) ? 'ms_mon_client_mode' : 'ms_client_mode';
    if (isMonLike(this.#ownType)) return isMonLike(peerType) ? 'ms_mon_cluster_mode' : 'ms_mon_service_mode';
    if (isMonLike(peerType)) return 'ms_mon_cluster_mode';
    return isDaemon(peerType) ? 'ms_cluster_mode' : 'ms_service_mode';
  }

  /** The first of the peer's wishes that is allowed, or UNKNOWN. */
  pickMode(peerType: number, method: number, preferred: readonly number[]): number {
    const allowed = this.modes(peerType, method);
    return preferred.find((m) => allowed.includes(m)) ?? connectionMode.UNKNOWN;
  }
}
