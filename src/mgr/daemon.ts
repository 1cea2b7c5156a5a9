import { decodeCaps, type KeyRing, MgrCap } from '../auth/index.ts';
import type { Clock, Entropy, Logger, Network } from '../base/index.ts';
import { MonClient } from '../client/index.ts';
import type { Config } from '../config/index.ts';
import { DecodeError } from '../encoding/index.ts';
import { type Connection, clientPolicies, Messenger, mgrPolicies, type ReceivedMessage } from '../msgr/index.ts';
import { EntityAddrVec, entityType, type MonMap, makeEntityName } from '../types/index.ts';
import type { MgrReply } from './commands.ts';
import { Manager, type ManagerPorts } from './manager.ts';

/** What a manager is made of, in a process or in a simulation. */
export interface MgrDaemonOptions {
  /** `x` of `mgr.x`. */
  readonly id: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: Network;
  readonly logger: Logger;
  readonly config: Config;
  readonly keyring: KeyRing;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where to find the monitors; else option `mon_host`. */
  readonly monMap?: MonMap;
}

/** How long the start waits for the monitors; later they may be away for as long as they like. */
const AUTHENTICATE_TIMEOUT_MS = 300_000;
const ROTATING_TIMEOUT_MS = 30_000;

/** A manager with its messengers and monitor client. */
export class MgrDaemon {
  readonly #o: MgrDaemonOptions;
  readonly #clientMessenger: Messenger;
  readonly #server: Messenger;
  readonly #monClient: MonClient;
  /** Parsed caps of each connection, at its first command. */
  readonly #caps = new WeakMap<Connection, MgrCap>();
  #manager: Manager | undefined;
  /** Called when another manager took over. */
  onDeposed: (() => void) | undefined;

  constructor(options: MgrDaemonOptions) {
    this.#o = options;
    const { clock, entropy, network, logger, config } = options;
    const backoff = {
      initialBackoff_ms: config.num('ms_initial_backoff') * 1000,
      maxBackoff_ms: config.num('ms_max_backoff') * 1000,
    };
    const shared = { clock, entropy, network, logger, name: makeEntityName(entityType.MGR), options: backoff };
    this.#clientMessenger = new Messenger({ ...shared, policies: clientPolicies() });
    this.#monClient = new MonClient({
      messenger: this.#clientMessenger,
      name: { type: entityType.MGR, id: options.id },
      keyring: options.keyring,
      clock,
      entropy,
      log: logger,
      config,
      ...(options.monMap === undefined ? {} : { monMap: options.monMap }),
    });
    this.#server = new Messenger({
      ...shared,
      policies: mgrPolicies(
        config.num('mgr_client_bytes'),
        config.num('mgr_osd_bytes'),
        config.num('mgr_mds_bytes'),
        config.num('mgr_mon_bytes'),
      ),
      authServer: this.#monClient.authServer,
      authClient: this.#monClient.authClient,
    });
  }

  get isActive(): boolean {
    return this.#manager?.isActive ?? false;
  }

  /** Resolves when the monitors know of this manager. */
  async start(): Promise<void> {
    const { config, logger } = this.#o;
    const addr = config.str('public_addr');
    const host = addr === '' || addr === '-' ? '127.0.0.1' : addr;
    const bound = await this.#server.bind(EntityAddrVec.parse(`v2:${host}:0/0`)!, {
      min: config.num('ms_bind_port_min'),
      max: config.num('ms_bind_port_max'),
    });
    await this.#monClient.authenticate(AUTHENTICATE_TIMEOUT_MS);
    await this.#monClient.waitRotating(ROTATING_TIMEOUT_MS);
    this.#server.name = makeEntityName(entityType.MGR, Number(this.#monClient.globalId));
    const manager = new Manager(this.#ports(bound));
    this.#manager = manager;
    manager.onDeposed = () => this.onDeposed?.();
    const handleMessage = (message: ReceivedMessage): boolean => this.#handle(manager, message);
    const handleReset = (connection: Connection): void => manager.connectionLost(connection);
    this.#clientMessenger.addDispatcher({ handleMessage });
    this.#server.addDispatcher({ handleMessage, handleReset });
    this.#monClient.addListener({ sessionOpened: () => manager.monitorSessionOpened() });
    manager.start();
    logger.log('mgr', 1, `mgr.${this.#o.id} (${this.#monClient.globalId}) listens on ${bound}`);
  }

  #handle(manager: Manager, message: ReceivedMessage): boolean {
    try {
      if (!manager.handle(message)) return false;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#o.logger.log(
        'mgr',
        0,
        `a message of type ${message.type} from ${message.connection.peerAddrs} is malformed: ${error.message}`,
      );
      message.connection.markDown();
    }
    message.release();
    return true;
  }

  #ports(bound: EntityAddrVec): ManagerPorts {
    const { clock, logger, config, id, metadata } = this.#o;
    const mon = this.#monClient;
    return {
      clock,
      logger,
      config,
      id,
      fsid: mon.monMap.fsid,
      globalId: () => mon.globalId,
      serverAddrs: () => bound,
      metadata,
      sendToMonitor: (message) => mon.send(message),
      subscribe: (what, start) => {
        mon.subWant(what, start);
        mon.renewSubs();
      },
      got: (what, have) => mon.subGot(what, have),
      isAllowed: (connection, command) => this.#isAllowed(connection, command),
    };
  }

  #isAllowed(
    connection: Connection,
    command: { module: string; perm: string; prefix: string; args: ReadonlyMap<string, string> },
  ): boolean {
    const { identity } = connection;
    if (identity === undefined) return false;
    if (identity.capsAllowAll) return true;
    let cap = this.#caps.get(connection);
    if (cap === undefined) {
      try {
        cap = MgrCap.parse(decodeCaps(identity.caps));
      } catch {
        return false; // Caps that do not parse grant nothing.
      }
      this.#caps.set(connection, cap);
    }
    return cap.isCapable({
      addr: connection.peerAddrs.addrs[0]!,
      service: command.module,
      command: command.prefix,
      args: command.args,
      read: command.perm.includes('r'),
      write: command.perm.includes('w'),
      exec: command.perm.includes('x'),
    });
  }

  /** A command of the admin socket; undefined for one that is not the manager's own. */
  adminCommand(prefix: string): MgrReply | undefined {
    return this.#manager?.adminCommand(prefix);
  }

  stop(): void {
    this.#manager?.stop();
    this.#monClient.shutdown();
    this.#server.shutdown();
    this.#clientMessenger.shutdown();
  }
}
