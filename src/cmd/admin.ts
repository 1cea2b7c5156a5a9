import { readFileSync } from 'node:fs';
import { KeyRing } from '../auth/index.ts';
import { silentLogger } from '../base/index.ts';
import { MonClient } from '../client/index.ts';
import { Config, confFor, parseConf } from '../config/index.ts';
import { clientPolicies, Messenger } from '../msgr/index.ts';
import { systemClock, systemEntropy, tcpNetwork } from '../runtime/index.ts';
import { entityType, makeEntityName } from '../types/index.ts';

/** The administrator's session with a cluster's monitors, for the commands that `up` and `status` need. */
export class AdminClient {
  readonly #messenger: Messenger;
  readonly #mon: MonClient;

  private constructor(messenger: Messenger, mon: MonClient) {
    this.#messenger = messenger;
    this.#mon = mon;
  }

  /** Connects as client.admin with what a ceph.conf says. Fails after `timeout_ms`. */
  static async connect(confPath: string, timeout_ms: number): Promise<AdminClient> {
    const config = new Config({
      cluster: 'ceph',
      type: 'client',
      id: 'admin',
      host: '',
      pid: process.pid,
      daemon: false,
    });
    config.replaceLayer('file', confFor(parseConf(readFileSync(confPath, 'utf8'), confPath), 'client', 'admin'));
    const path = config.expand(config.str('keyring'));
    const shared = { clock: systemClock, entropy: systemEntropy };
    const messenger = new Messenger({
      ...shared,
      network: tcpNetwork,
      name: makeEntityName(entityType.CLIENT),
      policies: clientPolicies(),
    });
    const mon = new MonClient({
      ...shared,
      messenger,
      name: { type: entityType.CLIENT, id: 'admin' },
      keyring: KeyRing.parse(readFileSync(path), path),
      log: silentLogger,
      config,
    });
    const client = new AdminClient(messenger, mon);
    try {
      await mon.authenticate(timeout_ms);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** Runs a monitor command. `code` is 0 or a negative errno. */
  async command(command: Record<string, unknown>): Promise<{ code: number; out: string; err: string }> {
    const { result, text, data } = await this.#mon.command([JSON.stringify(command)], undefined, 10_000);
    return { code: result, out: new TextDecoder().decode(data), err: text };
  }

  close(): void {
    this.#mon.shutdown();
    this.#messenger.shutdown();
  }
}
