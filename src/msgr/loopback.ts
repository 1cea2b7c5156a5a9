import { Queue } from '../base/index.ts';
import type { EntityAddrVec, EntityName } from '../types/index.ts';
import type { Connection, PeerIdentity, ReceivedMessage, WireMessage } from './api.ts';
import type { MessengerCore } from './core.ts';

/** A process's connection to itself: messages come back to its own dispatchers, in order, a turn later. */
export class LoopbackConnection implements Connection {
  readonly peerGlobalId = 0n;
  readonly identity: PeerIdentity | undefined = undefined;
  readonly isConnected = true;
  readonly isSecure = false;
  readonly isOutgoing = true;
  session: unknown;
  readonly #core: MessengerCore;
  readonly #queue = new Queue<WireMessage>();
  #seq = 0;
  #isScheduled = false;

  constructor(core: MessengerCore) {
    this.#core = core;
  }

  get peerType(): number {
    return this.#core.name.type;
  }

  get peerName(): EntityName {
    return this.#core.name;
  }

  get peerAddrs(): EntityAddrVec {
    return this.#core.addrs;
  }

  get peerFeatures(): bigint {
    return this.#core.featuresSupported;
  }

  get lastActive_ms(): number {
    return this.#core.monotonic();
  }

  send(message: WireMessage): void {
    this.#queue.push(message);
    this.#schedule();
  }

  keepalive(): void {}

  markDown(): void {
    this.#queue.clear();
  }

  markDisposable(): void {}

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#core.clock.defer(this.#deliver);
  }

  readonly #deliver = (): void => {
    this.#isScheduled = false;
    // What the dispatchers send to themselves meanwhile is for the next turn.
    for (let left = this.#queue.length; left > 0; left--) {
      const message = this.#queue.shift();
      if (message === undefined) return;
      this.#core.dispatch(this.#received(message));
    }
  };

  #received(message: WireMessage): ReceivedMessage {
    return {
      ...message,
      connection: this,
      source: this.#core.name,
      seq: ++this.#seq,
      received_ms: this.#core.monotonic(),
      release: () => {},
      recycleData: () => {},
    };
  }
}
