/** A TCP endpoint: a literal IPv4 or IPv6 address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What a socket tells its owner. Set by the owner before it returns from the callback that gave it the socket. */
export interface SocketHandler {
  /** Bytes arrived. The handler may keep `chunk` (it is not reused). */
  data(chunk: Uint8Array): void;
  /**
   * Where the next bytes are wanted, for a handler that is in the middle of something large: a socket that can puts them there and calls
   * `filled` instead of `data`, which saves a copy. Undefined: nowhere in particular. A socket may ignore it.
   */
  target?(): Uint8Array | undefined;
  /** `length` bytes were put at the start of what `target` last gave. */
  filled?(length: number): void;
  /** Output that `write` reported as backed up has drained. */
  drain(): void;
  /** The connection is gone; nothing further is called. `error` is absent for an orderly end. */
  closed(error?: Error): void;
}

/** A byte stream, as TCP gives it. */
export interface Socket {
  handler: SocketHandler | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /**
   * What `target` gave last is not to be written any more; it is asked anew. False: only {@link destroy} can do that here. Absent: sockets of this kind write
   * there only within a call of `filled`.
   */
  retarget?(): boolean;
  /** Sends the buffers in order, in one system call where it can. The buffers must not change afterwards. False: backed up, wait for `drain`. */
  write(buffers: readonly Uint8Array[]): boolean;
  /** Stops or resumes delivery of data, for back-pressure on the peer. */
  pause(): void;
  resume(): void;
  /** Bytes accepted by `write` and not yet handed to the kernel. */
  readonly pendingBytes: number;
  /** True where no buffer given to `write` is referenced any more, so that its memory may be used again. Absent: never. */
  isFlushed?(): boolean;
  /** Ends at once; queued output may be lost. `closed` is not called after this. */
  destroy(): void;
  /** Ends after queued output is sent. */
  end(): void;
}

export interface Listener {
  readonly endpoint: Endpoint;
  close(): void;
}

export interface Network {
  /** Binds and listens. Port 0 asks for a free one. Fails with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES). */
  listen(at: Endpoint, onSocket: (socket: Socket) => void): Promise<Listener>;
  /** Starts a connection. Exactly one of the callbacks is called, later. */
  connect(to: Endpoint, onConnected: (socket: Socket) => void, onFailed: (error: Error) => void): { cancel(): void };
}
