/**
 * What daemons and programs see of the monitor client. The class is in mon-client.ts.
 */

import type { MessageParts } from '../messages/index.ts';
import type { AuthClient, AuthServer } from '../msgr/index.ts';
import type { MonMap } from '../types/index.ts';

/** What a command gave. `result` is 0 (or positive) or a negative errno. */
export interface CommandResult {
  readonly result: number;
  /** What the `ceph` program prints to stderr. */
  readonly text: string;
  /** The output. */
  readonly data: Uint8Array;
}

/** Which monitor a `tell` command is for: a name or a rank. */
export type MonTarget = string | number;

/** Events of a monitor client. All optional; called synchronously. */
export interface MonClientListener {
  monMapChanged?(map: MonMap): void;
  /** A session with a monitor is open and authenticated; subscriptions are being renewed. What must be told to each new monitor (a boot message) is sent from here. */
  sessionOpened?(): void;
  /** The session is gone: messages sent on it may be lost, and what was queued for it is dropped. */
  sessionReset?(): void;
  /** The cluster's configuration for this process, whole. It was put into the Config already. */
  configReceived?(options: ReadonlyMap<string, string>): void;
}

export interface MonClientApi {
  /** The newest known; at first made of `mon_host`. */
  readonly monMap: MonMap;
  /** 0 before the first session. */
  readonly globalId: bigint;
  readonly isConnected: boolean;
  /** For every messenger of this process that dials. */
  readonly authClient: AuthClient;
  /** For every messenger of a daemon (OSD, manager, MDS) that listens: checks tickets with the rotating secrets. */
  readonly authServer: AuthServer;

  addListener(listener: MonClientListener): void;

  /**
   * Opens a session: resolves when authenticated and the MonMap is there. Rejects with ErrnoError: EACCES (wrong key, unknown
   * name), ENOENT (no key), ETIMEDOUT. 0 waits for ever.
   */
  authenticate(timeout_ms: number): Promise<void>;
  /** Resolves when the daemon has the rotating secrets it needs to check tickets. ETIMEDOUT. */
  waitRotating(timeout_ms: number): Promise<void>;

  /**
   * Subscribes to a map (`osdmap`, `mgrmap`, `config`, ...) from version `start` on. Takes effect with {@link renewSubs}. False where
   * it was so already.
   */
  subWant(what: string, start: number, isOnce?: boolean): boolean;
  /** As subWant, but never back to an earlier version. */
  subWantIncrement(what: string, start: number, isOnce?: boolean): boolean;
  /** Says that version `have` of a map has come; renewals ask from the one after. */
  subGot(what: string, have: number): void;
  subUnwant(what: string): void;
  /** Sends what changed. */
  renewSubs(): void;

  /** To the current monitor. Queued until there is one; dropped when the session is reset. */
  send(message: MessageParts): void;

  /** Newest and oldest version of a map at the monitors. `error`: EAGAIN when the session was reset meanwhile (ask again), ESHUTDOWN. */
  getVersion(map: string, done: (error: number, newest: number, oldest: number) => void): void;

  /**
   * A command, as JSON texts (usually one). Sent again to the next monitor when a session ends before the answer. `input`: data
   * that goes with it. ETIMEDOUT (as result) after `timeout_ms`, where given.
   */
  command(cmd: readonly string[], input?: Uint8Array, timeout_ms?: number): Promise<CommandResult>;
  /** A command to that very monitor (`ceph tell mon.a`). ENOENT where there is none such, ENXIO where it does not answer. */
  tell(target: MonTarget, cmd: readonly string[], input?: Uint8Array): Promise<CommandResult>;

  /** Writes to the cluster log. `prio`: a clogType. Kept until a monitor has it, up to a limit. */
  clusterLog(prio: number, message: string, channel?: string): void;

  /** Ends sessions and timers; what waits for an answer is rejected or answered ESHUTDOWN. The messenger is the caller's. */
  shutdown(): void;
}
