import { giveLarge } from '../base/index.ts';
import type { EntityName } from '../types/index.ts';
import type { Connection, ReceivedMessage } from './api.ts';
import type { FrameParser } from './frame-parser.ts';

const NO_DATA: readonly Uint8Array[] = [];

/** Who gets a message's bytes back. */
export interface ThrottleHolder extends Connection {
  giveBack(bytes: number): void;
}

/** A received MESSAGE frame. Field offsets are those of ceph_msg_header2. */
export class InboundMessage implements ReceivedMessage {
  readonly connection: Connection;
  readonly source: EntityName;
  readonly seq: number;
  readonly received_ms: number;
  readonly type: number;
  readonly version: number;
  readonly compatVersion: number;
  readonly priority: number;
  readonly tid: number;
  readonly front: Uint8Array;
  readonly middle: Uint8Array;
  readonly data: readonly Uint8Array[];
  readonly dataOffset: number;
  declare readonly dataCrc?: number;
  readonly #holder: ThrottleHolder;
  #bytes: number;

  constructor(holder: ThrottleHolder, parser: FrameParser, seq: number, bytes: number, received_ms: number) {
    this.connection = holder;
    this.source = holder.peerName;
    this.seq = seq;
    this.received_ms = received_ms;
    this.tid = parser.u64(8);
    this.type = parser.u16(16);
    this.priority = parser.u16(18);
    this.version = parser.u16(20);
    this.dataOffset = parser.u16(26);
    this.compatVersion = parser.u16(37);
    this.front = parser.segment(1);
    this.middle = parser.segment(2);
    if (parser.segmentLength(3) > 0) {
      this.data = [parser.segment(3)];
      const crc = parser.dataCrc;
      if (crc !== undefined) this.dataCrc = crc;
    } else {
      this.data = NO_DATA;
    }
    this.#holder = holder;
    this.#bytes = bytes;
  }

  recycleData(): void {
    for (const part of this.data) giveLarge(part);
  }

  release(): void {
    const bytes = this.#bytes;
    if (bytes < 0) return;
    this.#bytes = -1;
    this.#holder.giveBack(bytes);
  }
}
