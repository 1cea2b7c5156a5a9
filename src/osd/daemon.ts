/** An OSD with everything it needs around it: messengers, monitor client. What a process (or a simulation) starts. */
import type { KeyRing } from '../auth/index.ts';
import { type Clock, type Entropy, ErrnoError, type Logger, type Network } from '../base/index.ts';
import { MonClient } from '../client/index.ts';
import type { Config } from '../config/index.ts';
import {
  Messenger,
  osdClusterPolicies,
  osdHeartbeatClientPolicies,
  osdHeartbeatServerPolicies,
  osdPublicPolicies,
  type PolicySet,
} from '../msgr/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { EntityAddrVec, entityType, makeEntityName } from '../types/index.ts';
import { Osd } from './osd.ts';

export interface OsdDaemonOptions {
  readonly whoami: number;
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: Network;
  /** Short name of the machine. */
  readonly hostname: string;
  readonly keyring: KeyRing;
  /** Formatted, not mounted. */
  readonly store: ObjectStore;
  /** About process and machine. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Stops the process. */
  readonly fatal: (message: string) => never;
}

export class OsdDaemon {
  readonly osd: Osd;
  readonly #o: OsdDaemonOptions;
  readonly #messengers: {
    public: Messenger;
    cluster: Messenger;
    heartbeatFront: Messenger;
    heartbeatBack: Messenger;
    heartbeatClient: Messenger;
  };
  readonly #monc: MonClient;

  constructor(options: OsdDaemonOptions) {
    this.#o = options;
    const { config, logger, clock, entropy, network, whoami } = options;
    const name = makeEntityName(entityType.OSD, whoami);
    // One nonce for all: it tells this process from the one before it.
    const nonce = entropy.u32();
    const backoff = {
      initialBackoff_ms: config.num('ms_initial_backoff') * 1000,
      maxBackoff_ms: config.num('ms_max_backoff') * 1000,
    };
    const messenger = (policies: PolicySet): Messenger =>
      new Messenger({ network, clock, entropy, logger, name, policies, nonce, options: backoff });
    this.#messengers = {
      public: messenger(
        osdPublicPolicies(config.num('osd_client_message_size_cap'), config.num('osd_client_message_cap')),
      ),
      cluster: messenger(osdClusterPolicies()),
      heartbeatFront: messenger(osdHeartbeatServerPolicies()),
      heartbeatBack: messenger(osdHeartbeatServerPolicies()),
      heartbeatClient: messenger(osdHeartbeatClientPolicies()),
    };
    this.#monc = new MonClient({
      messenger: this.#messengers.public,
      name: { type: entityType.OSD, id: String(whoami) },
      keyring: options.keyring,
      clock,
      entropy,
      log: logger,
      config,
      hostname: options.hostname,
    });
    for (const m of Object.values(this.#messengers)) {
      m.authClient = this.#monc.authClient;
      m.authServer = this.#monc.authServer;
    }
    const location = config.str('crush_location').trim();
    this.osd = new Osd({
      whoami,
      config,
      logger,
      clock,
      entropy,
      store: options.store,
      monClient: this.#monc,
      messengers: this.#messengers,
      metadata: options.metadata,
      crushLocation: location === '' ? ['root=default', `host=${options.hostname}`] : location.split(/[\s,;]+/),
      fatal: options.fatal,
    });
  }

  /** The address of option `name`, any port; the other network's where it is not set. */
  #address(name: string, otherwise: string): EntityAddrVec {
    const given = (option: string): string => {
      const value = this.#o.config.str(option);
      return value === '-' ? '' : value;
    };
    const text = given(name) || given(otherwise) || '127.0.0.1';
    const addrs = EntityAddrVec.parse(`[v2:${text.replace(/^v2:/, '').replace(/:\d+(\/\d+)?$/, '')}:0/0]`);
    if (addrs === undefined) throw new ErrnoError('EINVAL', `${name} '${text}' is no address`);
    return addrs;
  }

  /** Binds, mounts, and goes to the monitors. Resolves once it has been authenticated; being up takes a map more. */
  async start(): Promise<void> {
    const { config } = this.#o;
    const ports = { min: config.num('ms_bind_port_min'), max: config.num('ms_bind_port_max') };
    const front = this.#address('public_addr', 'cluster_addr');
    const back = this.#address('cluster_addr', 'public_addr');
    await this.#messengers.public.bind(front, ports);
    await this.#messengers.cluster.bind(back, ports);
    await this.#messengers.heartbeatBack.bind(back, ports);
    await this.#messengers.heartbeatFront.bind(front, ports);
    await this.osd.start();
  }

  stop(): Promise<void> {
    return this.osd.stop();
  }

  adminCommand(command: Record<string, unknown>): ReturnType<Osd['adminCommand']> {
    return this.osd.adminCommand(command);
  }
}
