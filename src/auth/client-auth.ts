import { type Clock, type Entropy, errno, type Logger } from '../base/index.ts';
import { Writer } from '../encoding/index.ts';
import { type AuthName, authName, entityType, entityTypeName } from '../types/index.ts';
import {
  type AuthConnection,
  type AuthDoneKeys,
  type AuthFail,
  type AuthMoreContent,
  type AuthRequestContent,
  authMethod,
  type ClientAttempt,
} from './api.ts';
import { Authorizer } from './cephx/authorizer.ts';
import { CephxClientHandler } from './cephx/client.ts';
import { AUTH_MODE_AUTHORIZER, AUTH_MODE_MON, SECRET_ID_KEYRING, sealTicket } from './cephx/protocol.ts';
import { AuthError, authFailure } from './error.ts';
import type { KeyServer } from './key-server.ts';
import type { KeyRing } from './keyring.ts';
import { makeTicket } from './records.ts';
import type { AuthRegistry } from './registry.ts';

const NO_BYTES = new Uint8Array(0);

function fail(code: number, reason: string): AuthFail {
  return { kind: 'fail', errno: code, reason };
}

function guarded<T>(fn: () => T): T | AuthFail {
  try {
    return fn();
  } catch (error) {
    const { errno: code, reason } = authFailure(error, errno.EPERM);
    return fail(code, reason);
  }
}

export interface ClientAuthOptions {
  readonly name: AuthName;
  readonly keyring: KeyRing;
  /** Mask of entity types to have tickets for. */
  readonly want: number;
  readonly registry: AuthRegistry;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
}

/** A session with a monitor, as an attempt left it. */
export interface MonAuthSession {
  readonly method: number;
  readonly globalId: bigint;
  /** Undefined where the method is none. */
  readonly cephx: CephxClientHandler | undefined;
}

/** Told of what becomes of attempts with monitors. Called inside the messenger's handshake. */
export interface MonAttemptObserver {
  /** False where this connection is not wanted any more (another was faster): it then fails. */
  authenticated(connection: AuthConnection, session: MonAuthSession): boolean;
  failed(connection: AuthConnection, errno: number, reason: string): void;
  /** True for a connection beside the session (a command to one particular monitor): it gets a global id of its own. */
  isSeparate?(connection: AuthConnection): boolean;
}

/**
 * Authentication of outgoing connections of a client or of a daemon that is no monitor: with monitors by the entity's key, with all
 * others by tickets that the monitors gave.
 */
export class ClientAuth {
  readonly #options: ClientAuthOptions;
  observer: MonAttemptObserver | undefined;
  /** The session whose tickets are used. Set by whoever observes, kept over reconnects. */
  session: MonAuthSession | undefined;

  constructor(options: ClientAuthOptions) {
    this.#options = options;
  }

  get globalId(): bigint {
    return this.session?.globalId ?? 0n;
  }

  start(connection: AuthConnection): ClientAttempt {
    return connection.peerType === entityType.MON
      ? new MonAttempt(this, this.#options, connection)
      : new ServiceAttempt(this, this.#options, connection);
  }

  /** EACCES without a session or a ticket for that service. */
  authorizer(service: number): Authorizer | undefined {
    if (this.session === undefined) throw new AuthError(errno.EACCES, 'no session with a monitor');
    return this.session.cephx?.tickets.authorizer(service);
  }
}

/** One attempt with a monitor. */
class MonAttempt implements ClientAttempt {
  readonly #auth: ClientAuth;
  readonly #options: ClientAuthOptions;
  readonly #connection: AuthConnection;
  #method: number | undefined;
  #cephx: CephxClientHandler | undefined;

  constructor(auth: ClientAuth, options: ClientAuthOptions, connection: AuthConnection) {
    this.#auth = auth;
    this.#options = options;
    this.#connection = connection;
  }

  request(): AuthRequestContent | AuthFail {
    const { registry, name, keyring, want, clock, entropy } = this.#options;
    this.#method ??= registry.methods(entityType.MON)[0];
    if (this.#method === undefined)
      return this.#fail(
        errno.ENOENT,
        'no authentication method is left: cephx needs a keyring, and no other is allowed',
      );
    const preferredModes = registry.modes(entityType.MON, this.#method);
    if (preferredModes.length === 0) return this.#fail(errno.EACCES, 'no connection mode configured');
    const session = this.#auth.observer?.isSeparate?.(this.#connection) === true ? undefined : this.#auth.session;
    const globalId = session?.globalId ?? 0n;
    if (this.#method === authMethod.CEPHX) {
      this.#cephx = new CephxClientHandler(name, keyring, want, clock, entropy);
      // The tickets so far prove that the global id is ours.
      if (session?.cephx !== undefined) this.#cephx.tickets.copyFrom(session.cephx.tickets);
      this.#cephx.globalId = globalId;
    } else this.#cephx = undefined;
    const w = new Writer(64);
    w.u8(AUTH_MODE_MON);
    authName.encode(w, name);
    w.u64(globalId);
    return { kind: 'request', method: this.#method, preferredModes, payload: w.bytes() };
  }

  replyMore(payload: Uint8Array): AuthMoreContent | AuthFail {
    const cephx = this.#cephx;
    if (cephx === undefined) return this.#fail(errno.EPERM, 'challenge though the method is none');
    const answer = guarded((): AuthMoreContent => ({ kind: 'more', payload: cephx.answerChallenge(payload) }));
    return answer.kind === 'fail' ? this.#fail(answer.errno, answer.reason) : answer;
  }

  badMethod(method: number, result: number, allowedMethods: readonly number[]): { readonly kind: 'retry' } | AuthFail {
    const own = this.#options.registry.methods(entityType.MON);
    const next = own.slice(own.indexOf(method) + 1).find((m) => allowedMethods.includes(m));
    if (next === undefined) {
      return this.#fail(
        errno.EACCES,
        `monitor refuses method ${method} (${result}), allows ${allowedMethods.join(',')}; here ${own.join(',')}`,
      );
    }
    this.#method = next;
    return { kind: 'retry' };
  }

  done(globalId: bigint, _mode: number, payload: Uint8Array): AuthDoneKeys | AuthFail {
    const cephx = this.#cephx;
    const method = this.#method ?? authMethod.UNKNOWN;
    const done = guarded((): AuthDoneKeys => {
      if (cephx === undefined) return { kind: 'done', sessionKey: NO_BYTES, connectionSecret: NO_BYTES, globalId };
      cephx.globalId = globalId;
      const { sessionKey, connectionSecret } = cephx.finish(payload);
      return { kind: 'done', sessionKey: sessionKey.secret, connectionSecret, globalId };
    });
    if (done.kind === 'fail') return this.#fail(done.errno, done.reason);
    if (this.#auth.observer?.authenticated(this.#connection, { method, globalId, cephx }) === false) {
      return fail(errno.ECANCELED, 'another monitor was faster');
    }
    return done;
  }

  #fail(code: number, reason: string): AuthFail {
    this.#options.log.log('auth', 1, `authentication with monitor failed: ${reason}`);
    this.#auth.observer?.failed(this.#connection, code, reason);
    return fail(code, reason);
  }
}

/** One attempt with a service, by ticket. */
class ServiceAttempt implements ClientAttempt {
  readonly #auth: ClientAuth;
  readonly #options: ClientAuthOptions;
  readonly #peerType: number;
  #authorizer: Authorizer | undefined;

  constructor(auth: ClientAuth, options: ClientAuthOptions, connection: AuthConnection) {
    this.#auth = auth;
    this.#options = options;
    this.#peerType = connection.peerType;
  }

  request(): AuthRequestContent | AuthFail {
    const { registry, name } = this.#options;
    return guarded((): AuthRequestContent => {
      this.#authorizer = this.#auth.authorizer(this.#peerType);
      const method = this.#authorizer === undefined ? authMethod.NONE : authMethod.CEPHX;
      return {
        kind: 'request',
        method,
        preferredModes: registry.modes(this.#peerType, method),
        payload: this.#authorizer?.bytes() ?? noneAuthorizer(name, this.#auth.globalId),
      };
    });
  }

  replyMore(payload: Uint8Array): AuthMoreContent | AuthFail {
    const authorizer = this.#authorizer;
    if (authorizer === undefined) return fail(errno.EPERM, 'challenge though the method is none');
    return guarded(() => ({ kind: 'more', payload: authorizer.answer(payload) }));
  }

  badMethod(method: number, result: number): AuthFail {
    return fail(errno.EACCES, `${entityTypeName(this.#peerType)} refuses method ${method} (${result})`);
  }

  done(globalId: bigint, _mode: number, payload: Uint8Array): AuthDoneKeys | AuthFail {
    return finishAuthorizer(this.#authorizer, globalId, payload);
  }
}

function noneAuthorizer(name: AuthName, globalId: bigint): Uint8Array {
  const w = new Writer(64);
  w.u8(AUTH_MODE_AUTHORIZER);
  authName.encode(w, name);
  w.u64(globalId);
  return w.bytes();
}

function finishAuthorizer(
  authorizer: Authorizer | undefined,
  globalId: bigint,
  payload: Uint8Array,
): AuthDoneKeys | AuthFail {
  if (authorizer === undefined) {
    return { kind: 'done', sessionKey: NO_BYTES, connectionSecret: NO_BYTES, globalId };
  }
  return guarded((): AuthDoneKeys => {
    const connectionSecret = authorizer.verifyReply(payload);
    return { kind: 'done', sessionKey: authorizer.sessionKey.secret, connectionSecret, globalId };
  });
}

export interface MonPeerAuthOptions {
  readonly keys: KeyServer;
  readonly registry: AuthRegistry;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/**
 * Authentication of a monitor's own outgoing connections, to monitors and managers: it makes itself a ticket, sealed with the key
 * that all monitors share, or with the managers' rotating secret.
 */
export class MonPeerAuth {
  readonly #options: MonPeerAuthOptions;

  constructor(options: MonPeerAuthOptions) {
    this.#options = options;
  }

  start(connection: AuthConnection): ClientAttempt {
    return new MonPeerAttempt(this.#options, connection.peerType);
  }
}

class MonPeerAttempt implements ClientAttempt {
  readonly #options: MonPeerAuthOptions;
  readonly #peerType: number;
  #authorizer: Authorizer | undefined;

  constructor(options: MonPeerAuthOptions, peerType: number) {
    this.#options = options;
    this.#peerType = peerType;
  }

  request(): AuthRequestContent | AuthFail {
    const { registry } = this.#options;
    return guarded((): AuthRequestContent => {
      const isCephx = registry.methodsForEntity(entityType.MON).includes(authMethod.CEPHX);
      if (isCephx) this.#authorizer = this.#makeAuthorizer();
      const method = isCephx ? authMethod.CEPHX : authMethod.NONE;
      return {
        kind: 'request',
        method,
        preferredModes: registry.modes(this.#peerType, method),
        payload: this.#authorizer?.bytes() ?? noneAuthorizer({ type: entityType.MON, id: '' }, 0n),
      };
    });
  }

  #makeAuthorizer(): Authorizer {
    const { keys, clock, entropy } = this.#options;
    const service = this.#peerType;
    if (service !== entityType.MON && service !== entityType.MGR) {
      throw new AuthError(errno.EACCES, `monitors do not connect to ${entityTypeName(service)}`);
    }
    const parent = makeTicket({ type: entityType.MON, id: '' }, 0n, clock.now(), 0);
    let info: ReturnType<KeyServer['serviceTicket']>;
    if (service === entityType.MON) {
      const secret = keys.secretOf('mon.');
      if (secret === undefined) throw new AuthError(errno.EACCES, 'no key of mon.');
      info = keys.ticketWith(service, parent, secret, SECRET_ID_KEYRING);
    } else info = keys.serviceTicket(service, parent);
    return new Authorizer(0n, service, sealTicket(info, entropy), info.sessionKey, entropy);
  }

  replyMore(payload: Uint8Array): AuthMoreContent | AuthFail {
    const authorizer = this.#authorizer;
    if (authorizer === undefined) return fail(errno.EPERM, 'challenge though the method is none');
    return guarded(() => ({ kind: 'more', payload: authorizer.answer(payload) }));
  }

  badMethod(method: number, result: number): AuthFail {
    return fail(errno.EACCES, `${entityTypeName(this.#peerType)} refuses method ${method} (${result})`);
  }

  done(globalId: bigint, _mode: number, payload: Uint8Array): AuthDoneKeys | AuthFail {
    return finishAuthorizer(this.#authorizer, globalId, payload);
  }
}
