import { crc32c, type DiskFile, invariant } from '../../base/index.ts';
import { StoreError } from '../api.ts';
import type { Applier } from './apply.ts';
import type { StoreCore } from './core.ts';
import { BLOCK_SIZE, CRC_SEED } from './format.ts';
import { beginsBatch, LogReader, type LogState } from './log.ts';
import { type DecodedRecord, readRecord } from './record.ts';

/** Where the log goes on after the last record that counts. */
export interface LogEnd {
  readonly position: number;
  readonly batchNumber: number;
}

/**
 * Applies what the log holds beyond the checkpoint. The state it starts from is exactly the checkpoint's (nothing of it is ever
 * overwritten), so the outcome is that of the transactions' first run.
 *
 * A record whose data went around the log counts only if the data is there. Later batches say up to which record it is known to be; the
 * few beyond are verified against their checksums. The first that fails ends the log: it was not acknowledged, nor was anything
 * after it.
 */
export function replayLog(
  file: DiskFile,
  state: LogState,
  core: StoreCore,
  applier: Applier,
  acceptDamage = false,
): LogEnd {
  let directSeq = 0;
  const survey = new LogReader(file, state);
  for (let batch = survey.next(); batch !== undefined; batch = survey.next()) {
    directSeq = Math.max(directSeq, batch.directSeq);
  }
  if (!acceptDamage && goesOnAfter(file, state, survey)) {
    throw new StoreError(
      'corrupt',
      `the log's batch ${survey.batchNumber} at ${survey.position % state.capacity} is damaged, and one after it is whole: transactions that were acknowledged cannot be replayed`,
    );
  }
  const reader = new LogReader(file, state);
  core.replaying = true;
  replay: for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
    let seq = batch.firstSeq;
    for (const bytes of batch.records) {
      if (seq > core.seq) {
        invariant(seq === core.seq + 1, 'the log skips a transaction', { seq, last: core.seq });
        const record = readRecord(bytes);
        if (seq > directSeq && !dataIsThere(record, core.blocks)) break replay;
        applyRecord(record, core, applier);
        core.seq = seq;
      }
      seq++;
    }
  }
  core.replaying = false;
  // Beyond everything that could be read, so that nothing discarded can be met again.
  return { position: survey.position, batchNumber: survey.batchNumber };
}

/** Bytes of the log looked through at a time. */
const LOOK = 1 << 20;

/**
 * Whether the batch after the one that ends the log is there. A batch is written only once the one before it is durable: then what ended the log was no write that
 * the power cut off, but damage to what had been acknowledged.
 */
function goesOnAfter(file: DiskFile, state: LogState, end: LogEnd): boolean {
  const { capacity } = state;
  const size = Math.min(file.size(), capacity);
  const chunk = new Uint8Array(LOOK);
  // One batch's length at most, and the rest of the file where it did not fit.
  const stop = Math.min(end.position + capacity / 2, state.position + capacity);
  for (let at = end.position + BLOCK_SIZE; at < stop; ) {
    const offset = at % capacity;
    const length = Math.min(LOOK, stop - at, capacity - offset);
    const n = offset < size ? file.readSync(chunk.subarray(0, Math.min(length, size - offset)), offset) : 0;
    for (let k = 0; k + BLOCK_SIZE <= n; k += BLOCK_SIZE) {
      if (!beginsBatch(chunk, k)) continue;
      const reader = new LogReader(file, { ...state, position: at + k, batchNumber: end.batchNumber + 1 });
      if (reader.next()?.position === at + k) return true;
    }
    at += length;
  }
  return false;
}

function applyRecord(record: DecodedRecord, core: StoreCore, applier: Applier): void {
  for (let t = 0; t < record.transactions.length; t++) {
    const direct = record.direct[t]!;
    for (const d of direct) {
      for (const run of d.runs) {
        const isFree = core.allocator.takeExact(run.start, run.count, core.generation.allocation);
        invariant(isFree, 'the log puts data where the checkpoint has some', { start: run.start, count: run.count });
      }
    }
    applier.apply(record.transactions[t]!, t, [], direct);
  }
}

function dataIsThere(record: DecodedRecord, blocks: DiskFile): boolean {
  const block = new Uint8Array(BLOCK_SIZE);
  for (const direct of record.direct) {
    for (const d of direct) {
      let k = 0;
      for (const run of d.runs) {
        for (let b = run.start; b < run.start + run.count; b++) {
          const n = blocks.readSync(block, b * BLOCK_SIZE);
          if (n < BLOCK_SIZE) block.fill(0, n);
          if (crc32c(CRC_SEED, block) !== d.crcs[k++]) return false;
        }
      }
    }
  }
  return true;
}
