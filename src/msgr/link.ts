import type { Socket, SocketHandler } from '../base/index.ts';
import { DecodeError } from '../encoding/index.ts';
import { type EntityName, entityType } from '../types/index.ts';
import { MSGR2_FEATURE_REVISION_1 } from './constants.ts';
import { encodeBanner } from './control-frames.ts';
import { handshakeSignature, type Sealer, secureStreams } from './crypto.ts';
import { FrameError } from './frame-error.ts';
import { FrameParser, type FrameSink } from './frame-parser.ts';
import type { FrameWriter } from './frame-writer.ts';

/** The connection that a link serves at the moment; it changes where a session takes over another's socket. */
export interface LinkOwner {
  linkBanner(link: Link): void;
  /** See {@link FrameSink.admit}. */
  linkAdmit(link: Link, tag: number, lengths: readonly number[]): boolean;
  /** See {@link FrameSink.place}. */
  linkPlace(type: number, tid: number, length: number): Uint8Array | undefined;
  linkFrame(link: Link, tag: number): void;
  linkAborted(link: Link, tag: number): void;
  linkDrained(link: Link): void;
  /** Writes what waits. */
  flush(link: Link): void;
  /** The socket is gone, or its bytes are not the protocol (`isBad`). Called once; the link is closed. */
  linkFailed(link: Link, reason: string, isBad: boolean): void;
}

/** What a link needs of its messenger. */
export interface LinkContext {
  readonly name: EntityName;
  readonly writer: FrameWriter;
  readonly options: { readonly offerRevision1: boolean };
  monotonic(): number;
  /** Has the owner flush once the events that are waiting have run. */
  scheduleFlush(link: Link): void;
}

/** One socket with the framing on it: everything that is new with each TCP connection and gone with it. */
export class Link implements FrameSink, SocketHandler {
  readonly socket: Socket;
  readonly parser: FrameParser;
  owner: LinkOwner;
  isRev1 = false;
  sealer: Sealer | undefined;
  /** The socket's output is backed up. */
  isBackedUp = false;
  isClosed = false;
  lastActive_ms: number;
  /** In the messenger's list of links to flush. */
  isScheduled = false;
  readonly #context: LinkContext;
  readonly #supported: bigint;
  #pending: Uint8Array[] = [];
  #sent: Uint8Array[] | undefined = [];
  #isPaused = false;

  constructor(socket: Socket, owner: LinkOwner, context: LinkContext) {
    this.socket = socket;
    this.owner = owner;
    this.#context = context;
    this.parser = new FrameParser(this, context.name.type === entityType.OSD);
    this.lastActive_ms = context.monotonic();
    socket.handler = this;
    this.#supported = context.options.offerRevision1 ? MSGR2_FEATURE_REVISION_1 : 0n;
    this.#queue(encodeBanner(this.#supported, 0n));
  }

  get isSecure(): boolean {
    return this.sealer !== undefined;
  }

  /** Queues a control frame of the handshake; it leaves with the turn's output. */
  send(tag: number, payload: Uint8Array): void {
    if (this.isClosed) return;
    const writer = this.#context.writer;
    writer.control(tag, payload, this.isRev1, this.sealer);
    for (const buffer of writer.take()) this.#queue(buffer);
  }

  /** Hands the socket what {@link send} queued. */
  flushPending(): void {
    if (this.#pending.length === 0 || this.isClosed) return;
    const pending = this.#pending;
    this.#pending = [];
    this.write(pending);
  }

  write(buffers: readonly Uint8Array[]): void {
    if (!this.socket.write(buffers)) this.isBackedUp = true;
  }

  /**
   * Ends the authentication: signs what was received, remembers what the peer must have signed, and goes over to encryption where the mode
   * is secure. Nothing that was sent or received later is signed.
   */
  finishAuthentication(
    sessionKey: Uint8Array,
    connectionSecret: Uint8Array | undefined,
    isClient: boolean,
  ): { own: Uint8Array; expected: Uint8Array } {
    const own = handshakeSignature(sessionKey, this.parser.takeTranscript());
    const expected = handshakeSignature(sessionKey, this.#sent ?? []);
    this.#sent = undefined;
    if (connectionSecret !== undefined) {
      const { sealer, opener } = secureStreams(connectionSecret, isClient, this.isRev1);
      this.sealer = sealer;
      this.parser.setOpener(opener);
    }
    return { own, expected };
  }

  /** Stops reading, for back-pressure or until an answer is there. */
  pause(): void {
    if (this.#isPaused || this.isClosed) return;
    this.#isPaused = true;
    this.parser.pause();
    this.socket.pause();
  }

  resume(): void {
    if (this.isClosed) return;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.socket.resume();
    }
    this.#guarded(undefined);
  }

  /** Ends the socket at once, without a word to the owner. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.parser.close();
    this.socket.destroy();
  }

  /** As {@link close}, after what is queued was sent. */
  end(): void {
    if (this.isClosed) return;
    this.flushPending();
    this.isClosed = true;
    this.parser.close();
    this.socket.handler = undefined;
    this.socket.end();
  }

  /** The peer sent what it may not. */
  reject(reason: string): never {
    throw new FrameError(reason);
  }

  data(chunk: Uint8Array): void {
    this.lastActive_ms = this.#context.monotonic();
    this.#guarded(chunk);
  }

  target(): Uint8Array | undefined {
    return this.parser.target();
  }

  filled(length: number): void {
    this.lastActive_ms = this.#context.monotonic();
    try {
      this.parser.filled(length);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** See {@link FrameParser.leave}. False: that took the socket, and the owner is to be told. */
  leave(place: Uint8Array): boolean {
    if (!this.parser.leave(place) || this.socket.retarget?.() !== false) return true;
    this.close();
    return false;
  }

  drain(): void {
    this.isBackedUp = false;
    this.owner.linkDrained(this);
  }

  closed(error?: Error): void {
    this.#fail(error === undefined ? 'closed by the peer' : error.message, false);
  }

  banner(supported: bigint, required: bigint): void {
    const missing = required & ~this.#supported;
    if (missing !== 0n) throw new FrameError(`the peer requires protocol features 0x${missing.toString(16)}`);
    this.isRev1 = (supported & this.#supported & MSGR2_FEATURE_REVISION_1) !== 0n;
    this.parser.setRevision(this.isRev1);
    this.owner.linkBanner(this);
  }

  admit(tag: number, _count: number, lengths: readonly number[]): boolean {
    if (this.owner.linkAdmit(this, tag, lengths)) return true;
    this.pause();
    return false;
  }

  place(type: number, tid: number, length: number): Uint8Array | undefined {
    return this.owner.linkPlace(type, tid, length);
  }

  frame(tag: number): void {
    this.owner.linkFrame(this, tag);
  }

  aborted(tag: number): void {
    this.owner.linkAborted(this, tag);
  }

  #queue(buffer: Uint8Array): void {
    this.#pending.push(buffer);
    this.#sent?.push(buffer);
    this.#context.scheduleFlush(this);
  }

  /** Parses; only what the peer's bytes cause is caught. */
  #guarded(chunk: Uint8Array | undefined): void {
    try {
      if (chunk === undefined) this.parser.resume();
      else this.parser.push(chunk);
    } catch (error) {
      this.#caught(error);
    }
  }

  #caught(error: unknown): void {
    if (!(error instanceof FrameError || error instanceof DecodeError)) throw error;
    this.#fail(error.message, true);
  }

  #fail(reason: string, isBad: boolean): void {
    if (this.isClosed) return;
    this.close();
    this.owner.linkFailed(this, reason, isBad);
  }
}
