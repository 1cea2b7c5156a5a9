import { DecodeError, Reader } from '../../encoding/index.ts';
import { Transaction } from '../transaction.ts';
import type { RecordedWrite } from './apply.ts';
import { BLOCK_SIZE } from './format.ts';

/**
 * A record of the log: the transactions queued together, in their wire encoding, without the data that went straight to the block
 * file:
 *
 *     u32 transactions, u32 direct writes
 *     per direct write: u32 transaction, u32 operation, u32 first block, u32 blocks, u32 offset in the payload,
 *                       u32 runs, (u32 first, u32 count)*, u32 checksum of each block
 *     per transaction:  u32 length of its whole encoding, and the bytes but those of its direct writes
 */
const PAYLOAD_START = 10;

export function recordLength(transactions: readonly Transaction[], direct: readonly RecordedWrite[]): number {
  let n = 8;
  for (const d of direct) n += 24 + d.runs.length * 8 + d.count * 4 - d.count * BLOCK_SIZE;
  for (const tx of transactions) n += 4 + tx.encodedLength;
  return n;
}

export function writeRecord(
  b: Uint8Array,
  offset: number,
  transactions: readonly Transaction[],
  direct: readonly RecordedWrite[],
): number {
  let at = offset;
  const u32 = (x: number): void => {
    b[at] = x;
    b[at + 1] = x >>> 8;
    b[at + 2] = x >>> 16;
    b[at + 3] = x >>> 24;
    at += 4;
  };
  u32(transactions.length);
  u32(direct.length);
  for (const d of direct) {
    u32(d.transaction);
    u32(d.operation);
    u32(d.firstBlock);
    u32(d.count);
    u32(d.payloadOffset);
    u32(d.runs.length);
    for (const run of d.runs) {
      u32(run.start);
      u32(run.count);
    }
    for (const crc of d.crcs) u32(crc);
  }
  let next = 0;
  for (let t = 0; t < transactions.length; t++) {
    const tx = transactions[t]!;
    u32(tx.encodedLength);
    // Position within the encoding, to leave out what is direct.
    let position = 0;
    let cutStart = Number.POSITIVE_INFINITY;
    let cutEnd = 0;
    const nextCut = (): void => {
      const d = direct[next];
      if (d === undefined || d.transaction !== t) cutStart = Number.POSITIVE_INFINITY;
      else {
        cutStart = PAYLOAD_START + d.payloadOffset;
        cutEnd = cutStart + d.count * BLOCK_SIZE;
        next++;
      }
    };
    nextCut();
    for (const part of tx.encode()) {
      if (position + part.length <= cutStart) {
        b.set(part, at);
        at += part.length;
        position += part.length;
        continue;
      }
      let within = 0;
      while (within < part.length) {
        const here = position + within;
        if (here >= cutStart && here < cutEnd) {
          within = Math.min(part.length, within + cutEnd - here);
          if (position + within === cutEnd) nextCut();
          continue;
        }
        const n = Math.min(part.length - within, cutStart - here);
        b.set(part.subarray(within, within + n), at);
        at += n;
        within += n;
      }
      position += part.length;
    }
  }
  return at - offset;
}

export interface DecodedRecord {
  readonly transactions: Transaction[];
  /** Per transaction. */
  readonly direct: RecordedWrite[][];
}

/** Reads a record. Where direct data was, the transactions have zeros that nobody looks at. Throws DecodeError. */
export function readRecord(bytes: Uint8Array): DecodedRecord {
  const r = new Reader(bytes);
  const transactionCount = r.count(4);
  const directCount = r.u32();
  const direct: RecordedWrite[][] = [];
  for (let t = 0; t < transactionCount; t++) direct.push([]);
  for (let i = 0; i < directCount; i++) {
    const transaction = r.u32();
    const operation = r.u32();
    const firstBlock = r.u32();
    const count = r.u32();
    const payloadOffset = r.u32();
    const runs = [];
    for (let n = r.count(8); n > 0; n--) runs.push({ start: r.u32(), count: r.u32() });
    r.need(count * 4);
    const crcs = new Uint32Array(count);
    for (let k = 0; k < count; k++) crcs[k] = r.u32();
    const list = direct[transaction];
    if (list === undefined) throw new DecodeError(`a direct write of transaction ${transaction}`, r.offset);
    list.push({ transaction, operation, firstBlock, count, runs, crcs, payloadOffset });
  }
  const transactions: Transaction[] = [];
  for (let t = 0; t < transactionCount; t++) {
    const whole = r.u32();
    const parts: Uint8Array[] = [];
    let position = 0;
    for (const d of direct[t]!) {
      const cutStart = PAYLOAD_START + d.payloadOffset;
      parts.push(r.raw(cutStart - position), zeros(d.count * BLOCK_SIZE));
      position = cutStart + d.count * BLOCK_SIZE;
    }
    parts.push(r.raw(whole - position));
    transactions.push(Transaction.decode(parts));
  }
  return { transactions, direct };
}

let filler = new Uint8Array(0);

/** Never written to and hardly ever read: the system gives no memory for it. */
function zeros(length: number): Uint8Array {
  if (filler.length < length) filler = new Uint8Array(length);
  return filler.length === length ? filler : filler.subarray(0, length);
}
