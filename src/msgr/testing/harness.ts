import { EntityAddrVec, type EntityName, entityType } from '../../types/index.ts';
import type { Connection, Dispatcher, ReceivedMessage, WireMessage } from '../api.ts';
import { Messenger, type MessengerConfig } from '../messenger.ts';
import type { PolicySet } from '../policy.ts';
import type { FakeWorld } from './fake-world.ts';
import { testAuthClient, testAuthServer } from './none-auth.ts';

const NONE = new Uint8Array(0);

export function message(tid: number, options: Partial<WireMessage> = {}): WireMessage {
  return {
    type: 42,
    version: 3,
    compatVersion: 1,
    priority: 127,
    tid,
    front: Uint8Array.of(tid & 0xff, tid >> 8),
    middle: NONE,
    data: [],
    dataOffset: 0,
    ...options,
  };
}

/** Notes everything it is told. */
export class Recorder implements Dispatcher {
  readonly received: ReceivedMessage[] = [];
  readonly events: string[] = [];
  readonly accepted: Connection[] = [];
  onMessage: ((message: ReceivedMessage) => void) | undefined;
  keep = false;

  get tids(): number[] {
    return this.received.map((m) => m.tid);
  }

  handleMessage(m: ReceivedMessage): unknown {
    this.received.push(m);
    if (!this.keep) m.release();
    this.onMessage?.(m);
    return undefined;
  }

  handleConnect(): void {
    this.events.push('connect');
  }

  handleAccept(connection: Connection): void {
    this.accepted.push(connection);
    this.events.push('accept');
  }

  handleReset(): void {
    this.events.push('reset');
  }

  handleRemoteReset(): void {
    this.events.push('remote reset');
  }

  handleRefused(): void {
    this.events.push('refused');
  }
}

export interface Node {
  readonly messenger: Messenger;
  readonly recorder: Recorder;
  readonly addrs: EntityAddrVec;
}

/** A messenger that listens on `port` (0: does not). Secure as dialler where `isSecure`. */
export async function makeNode(
  world: FakeWorld,
  name: EntityName,
  policies: PolicySet,
  port: number,
  options: Partial<MessengerConfig> & { isSecure?: boolean } = {},
): Promise<Node> {
  const { isSecure = false, ...config } = options;
  const messenger = new Messenger({
    network: world.network,
    clock: world.clock,
    entropy: world.entropy.fork(),
    name,
    policies,
    nonce: port + 1,
    authClient: testAuthClient(isSecure),
    authServer: testAuthServer(),
    ...config,
  });
  const recorder = new Recorder();
  messenger.addDispatcher(recorder);
  const addrs = port === 0 ? EntityAddrVec.empty : await messenger.bind(EntityAddrVec.parse(`v2:127.0.0.1:${port}`)!);
  return { messenger, recorder, addrs };
}

export const osd = (num: number): EntityName => ({ type: entityType.OSD, num });
export const client = (num: number): EntityName => ({ type: entityType.CLIENT, num });
