/** Bytes from the peer that are not the protocol. Ends that connection; never leaves the messenger. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameError';
  }
}
