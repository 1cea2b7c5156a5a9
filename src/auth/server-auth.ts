import { type Clock, type Entropy, errno, type Logger } from '../base/index.ts';
import { Reader } from '../encoding/index.ts';
import { type AuthName, authName, entityTypeName, formatAuthName } from '../types/index.ts';
import {
  type AuthConnection,
  authMethod,
  connectionMode,
  connectionSecretLength,
  type ServerAttempt,
  type ServerReply,
} from './api.ts';
import { AuthorizerVerifier, type KeyStore } from './cephx/authorizer.ts';
import { AUTH_MODE_AUTHORIZER, AUTH_MODE_AUTHORIZER_MAX, AUTH_MODE_MON, AUTH_MODE_MON_MAX } from './cephx/protocol.ts';
import { CephxServiceHandler } from './cephx/service.ts';
import { AuthError, authFailure } from './error.ts';
import type { KeyServer } from './key-server.ts';
import type { AuthRegistry } from './registry.ts';

const NO_BYTES = new Uint8Array(0);

export interface ServiceServerAuthOptions {
  readonly registry: AuthRegistry;
  /** A daemon's RotatingKeyRing; at a monitor its own key ring. */
  readonly keys: KeyStore;
  readonly entropy: Entropy;
  readonly log: Logger;
}

/** Checks incoming connections by their tickets: at OSDs, managers and metadata servers. */
export class ServiceServerAuth {
  readonly #options: ServiceServerAuthOptions;

  constructor(options: ServiceServerAuthOptions) {
    this.#options = options;
  }

  start(connection: AuthConnection): ServerAttempt {
    return new ServiceServerAttempt(this.#options, connection);
  }
}

/** What both kinds of server share: methods, modes, and how a refusal looks. */
class Gate {
  readonly registry: AuthRegistry;
  readonly #log: Logger;
  readonly peerType: number;
  method: number = authMethod.UNKNOWN;
  mode: number = connectionMode.UNKNOWN;

  constructor(registry: AuthRegistry, log: Logger, peerType: number) {
    this.registry = registry;
    this.#log = log;
    this.peerType = peerType;
  }

  /** Takes method and mode of a request; undefined where they will do. */
  open(method: number, preferredModes: readonly number[]): ServerReply | undefined {
    this.method = method;
    this.mode = this.registry.pickMode(this.peerType, method, preferredModes);
    if (this.mode === connectionMode.UNKNOWN) return this.refuse(errno.EOPNOTSUPP, 'no connection mode in common');
    return undefined;
  }

  refuse(code: number, reason: string): ServerReply {
    this.#log.log('auth', 1, `refused ${entityTypeName(this.peerType)}: ${reason}`);
    return {
      kind: 'bad',
      errno: code,
      allowedMethods: this.registry.methods(this.peerType),
      allowedModes: this.registry.modes(this.peerType),
    };
  }

  guard(fn: () => ServerReply): ServerReply {
    try {
      return fn();
    } catch (error) {
      const { errno: code, reason } = authFailure(error, errno.EACCES);
      return this.refuse(code, reason);
    }
  }
}

/** Authorizers, in both kinds of server. */
class AuthorizerCheck {
  readonly #gate: Gate;
  readonly #verifier: AuthorizerVerifier;

  constructor(gate: Gate, keys: KeyStore, entropy: Entropy) {
    this.#gate = gate;
    this.#verifier = new AuthorizerVerifier(keys, entropy);
  }

  check(payload: Uint8Array): ServerReply {
    const gate = this.#gate;
    if (!gate.registry.methods(gate.peerType).includes(gate.method)) {
      return gate.refuse(errno.EOPNOTSUPP, `method ${gate.method} not supported`);
    }
    if (gate.method === authMethod.NONE) {
      const r = new Reader(payload);
      r.u8();
      const name = authName.decode(r);
      return noneDone(gate.mode, name, r.u64());
    }
    const result = this.#verifier.verify(payload, connectionSecretLength(gate.mode));
    if (result.kind === 'challenge') return { kind: 'more', payload: result.payload };
    const { ticket, sessionKey } = result.info;
    return {
      kind: 'done',
      payload: result.payload,
      connectionMode: gate.mode,
      sessionKey: sessionKey.secret,
      connectionSecret: result.connectionSecret,
      identity: {
        name: ticket.name,
        globalId: ticket.globalId,
        caps: ticket.caps.caps.slice(),
        capsAllowAll: ticket.caps.allowAll,
      },
    };
  }
}

function noneDone(mode: number, name: AuthName, globalId: bigint): ServerReply {
  return {
    kind: 'done',
    payload: NO_BYTES,
    connectionMode: mode,
    sessionKey: NO_BYTES,
    connectionSecret: NO_BYTES,
    identity: { name, globalId, caps: NO_BYTES, capsAllowAll: true },
  };
}

function isAuthorizerMode(mode: number | undefined): boolean {
  return mode !== undefined && mode >= AUTH_MODE_AUTHORIZER && mode <= AUTH_MODE_AUTHORIZER_MAX;
}

class ServiceServerAttempt implements ServerAttempt {
  readonly #options: ServiceServerAuthOptions;
  readonly #gate: Gate;
  #check: AuthorizerCheck | undefined;

  constructor(options: ServiceServerAuthOptions, connection: AuthConnection) {
    this.#options = options;
    this.#gate = new Gate(options.registry, options.log, connection.peerType);
  }

  request(
    method: number,
    preferredModes: readonly number[],
    payload: Uint8Array,
    reply: (result: ServerReply) => void,
  ): void {
    // A challenge serves once: whoever begins anew gets another.
    this.#check = new AuthorizerCheck(this.#gate, this.#options.keys, this.#options.entropy);
    reply(this.#gate.open(method, preferredModes) ?? this.#answer(payload));
  }

  more(payload: Uint8Array, reply: (result: ServerReply) => void): void {
    reply(this.#answer(payload));
  }

  #answer(payload: Uint8Array): ServerReply {
    const check = this.#check;
    if (check === undefined || !isAuthorizerMode(payload[0])) return this.#gate.refuse(errno.EACCES, 'no authorizer');
    return this.#gate.guard(() => check.check(payload));
  }
}

export interface MonServerAuthOptions {
  readonly registry: AuthRegistry;
  readonly keys: KeyServer;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  /** False before the first quorum has made the keys: connections are dropped, the client tries again. */
  readonly isReady: () => boolean;
  /** Gives a fresh global id, at once or later; undefined where this monitor has none to give (the connection is dropped). */
  readonly assignGlobalId: (done: (id: bigint | undefined) => void) => void;
}

/** Checks incoming connections at a monitor: entities by their keys, other monitors by authorizers. */
export class MonServerAuth {
  readonly #options: MonServerAuthOptions;
  readonly #handlers = new WeakMap<object, CephxServiceHandler>();

  constructor(options: MonServerAuthOptions) {
    this.#options = options;
  }

  start(connection: AuthConnection): ServerAttempt {
    return new MonServerAttempt(this.#options, connection, this.#handlers);
  }

  /** The exchange that a connection was authenticated by: what MAuth messages that come on it are for (renewals, rotating secrets). */
  handlerOf(connection: AuthConnection): CephxServiceHandler | undefined {
    return this.#handlers.get(connection);
  }
}

class MonServerAttempt implements ServerAttempt {
  readonly #options: MonServerAuthOptions;
  readonly #connection: AuthConnection;
  readonly #handlers: WeakMap<object, CephxServiceHandler>;
  readonly #gate: Gate;
  #check: AuthorizerCheck | undefined;
  #handler: CephxServiceHandler | undefined;

  constructor(
    options: MonServerAuthOptions,
    connection: AuthConnection,
    handlers: WeakMap<object, CephxServiceHandler>,
  ) {
    this.#options = options;
    this.#connection = connection;
    this.#handlers = handlers;
    this.#gate = new Gate(options.registry, options.log, connection.peerType);
  }

  request(
    method: number,
    preferredModes: readonly number[],
    payload: Uint8Array,
    reply: (result: ServerReply) => void,
  ): void {
    const refusal = this.#gate.open(method, preferredModes);
    if (refusal !== undefined) {
      reply(refusal);
      return;
    }
    const mode = payload[0];
    if (isAuthorizerMode(mode)) {
      const { keys, entropy } = this.#options;
      // Only tickets sealed with the monitors' own key: rotating secrets are for the other services.
      const ownKey: KeyStore = { secretOf: (name) => keys.secretOf(name), serviceSecret: () => undefined };
      const check = new AuthorizerCheck(this.#gate, ownKey, entropy);
      this.#check = check;
      reply(this.#gate.guard(() => check.check(payload)));
    } else if (mode !== undefined && mode >= AUTH_MODE_MON && mode <= AUTH_MODE_MON_MAX) {
      this.#startSession(payload, reply);
    } else reply(this.#gate.refuse(errno.EACCES, `unknown mode of authentication ${mode}`));
  }

  #startSession(payload: Uint8Array, reply: (result: ServerReply) => void): void {
    const { registry, isReady, assignGlobalId } = this.#options;
    if (!isReady()) {
      reply({ kind: 'drop', reason: 'no quorum yet' });
      return;
    }
    let name: AuthName;
    let claimedId: bigint;
    try {
      const r = new Reader(payload);
      r.u8();
      name = authName.decode(r);
      claimedId = r.u64();
      if (!registry.methodsForEntity(name.type).includes(this.#gate.method)) {
        throw new AuthError(errno.EOPNOTSUPP, `${formatAuthName(name)}: method ${this.#gate.method} not supported`);
      }
    } catch (error) {
      reply(this.#gate.guard(() => rethrow(error)));
      return;
    }
    if (claimedId !== 0n) {
      reply(this.#begin(name, claimedId, false));
      return;
    }
    assignGlobalId((id) => {
      if (id === undefined) reply({ kind: 'drop', reason: 'no global id to give' });
      else reply(this.#begin(name, id, true));
    });
  }

  #begin(name: AuthName, globalId: bigint, isNew: boolean): ServerReply {
    const { keys, entropy, clock } = this.#options;
    if (this.#gate.method === authMethod.NONE) return noneDone(this.#gate.mode, name, globalId);
    this.#handler = new CephxServiceHandler(name, globalId, isNew, keys, entropy, () => clock.now());
    return { kind: 'more', payload: this.#handler.challenge() };
  }

  more(payload: Uint8Array, reply: (result: ServerReply) => void): void {
    const check = this.#check;
    if (check !== undefined) reply(this.#gate.guard(() => check.check(payload)));
    else reply(this.#session(payload));
  }

  #session(payload: Uint8Array): ServerReply {
    const handler = this.#handler;
    if (handler === undefined) return this.#gate.refuse(errno.EACCES, 'more, but nothing begun');
    const {
      result,
      session,
      reason,
      payload: answer,
    } = handler.handleRequest(payload, connectionSecretLength(this.#gate.mode));
    if (result < 0) return this.#gate.refuse(-result, reason ?? 'refused');
    if (session === undefined) return { kind: 'more', payload: answer };
    this.#handlers.set(this.#connection, handler);
    return {
      kind: 'done',
      payload: answer,
      connectionMode: this.#gate.mode,
      sessionKey: session.sessionKey.secret,
      connectionSecret: session.connectionSecret,
      identity: { name: handler.name, globalId: handler.globalId, caps: session.monCaps, capsAllowAll: false },
    };
  }
}

function rethrow(error: unknown): never {
  throw error;
}
