/** What `rados bench` prints each second and at the end, and the figures behind it. */
import { type Formatter, formatFixed, formatG, formatUtime, utimeFromMs } from '../../types/index.ts';
import { out } from './report.ts';
import { timePrefix } from './show-time.ts';

const MIB = 1024 * 1024;

/** Mean, extremes and spread of a row of values (Welford's way). */
export class Spread {
  count = 0;
  mean = 0;
  min: number;
  max = 0;
  #squares = 0;

  /** `min` is what it is before the first value. */
  constructor(min: number) {
    this.min = min;
  }

  add(value: number): void {
    this.count++;
    const delta = value - this.mean;
    this.mean += delta / this.count;
    this.#squares += delta * (value - this.mean);
    if (value > this.max) this.max = value;
    if (value < this.min) this.min = value;
  }

  get deviation(): number {
    return this.count > 1 ? Math.sqrt(this.#squares / (this.count - 1)) : 0;
  }
}

/** What a least rate is before the first second. */
const INT_MAX = 0x7fffffff;
/** What a least latency is before the first operation is done. */
const LATENCY_MAX_S = 9999;

/** Counts of a run that is under way. Latencies in seconds. */
export class BenchFigures {
  readonly opSize: number;
  readonly objectSize: number;
  started = 0;
  finished = 0;
  lastLatency_s = 0;
  /** performance.now() at its start. */
  started_ms = performance.now();
  readonly latency = new Spread(LATENCY_MAX_S);
  readonly bandwidth = new Spread(Number.MAX_VALUE);
  readonly iops = new Spread(INT_MAX);

  constructor(opSize: number, objectSize: number) {
    this.opSize = opSize;
    this.objectSize = objectSize;
  }

  get inFlight(): number {
    return this.started - this.finished;
  }

  begin(): void {
    this.started_ms = performance.now();
    this.finished = 0;
  }

  /** An operation that was begun at `began_ms` is done. */
  done(began_ms: number): void {
    this.lastLatency_s = (performance.now() - began_ms) / 1000;
    this.finished++;
    this.latency.add(this.lastLatency_s);
  }

  get elapsed_s(): number {
    return (performance.now() - this.started_ms) / 1000;
  }
}

/** Prints a line a second, or the objects of an array. */
export class BenchTicker {
  readonly #figures: BenchFigures;
  readonly #showTime: boolean;
  readonly #formatter: Formatter | undefined;
  readonly #write: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #second = 0;
  #previous = 0;
  #sinceChange = 0;
  #lastIops = 0;

  /** `write` takes the structured output. */
  constructor(
    figures: BenchFigures,
    showTime: boolean,
    formatter: Formatter | undefined,
    write: (text: string) => void,
  ) {
    this.#figures = figures;
    this.#showTime = showTime;
    this.#formatter = formatter;
    this.#write = write;
  }

  start(): void {
    this.#formatter?.openArray('datas');
    const began = performance.now();
    const tick = (): void => {
      this.#tick();
      this.#timer = setTimeout(tick, Math.max(0, began + this.#second * 1000 - performance.now()));
    };
    tick();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#formatter?.close();
    if (this.#lastIops < 0) {
      const { iops, finished, elapsed_s } = this.#figures;
      iops.min = Math.trunc(finished / elapsed_s);
      iops.max = iops.min;
    }
  }

  #tick(): void {
    const { finished, opSize, bandwidth, iops } = this.#figures;
    const done = finished - this.#previous;
    const cycles = this.#sinceChange;
    const rate = cycles > 0 ? (done * opSize) / MIB / cycles : -1;
    if (rate > -1) bandwidth.add(rate);
    this.#lastIops = cycles > 0 ? Math.trunc(done / cycles) : -1;
    if (this.#lastIops > -1) iops.add(this.#lastIops);
    const isChanged = done !== 0;
    if (this.#formatter === undefined) this.#line(isChanged, rate);
    else this.#object(this.#formatter, isChanged, rate);
    if (isChanged) {
      this.#previous = finished;
      this.#sinceChange = 0;
    }
    this.#second++;
    this.#sinceChange++;
  }

  #line(isChanged: boolean, rate: number): void {
    const { inFlight, started, finished, opSize, lastLatency_s, latency, elapsed_s } = this.#figures;
    const now = Date.now();
    const at = timePrefix(this.#showTime, now);
    if (this.#second % 20 === 0) {
      if (this.#second > 0) {
        out(
          `${formatUtime(utimeFromMs(now))} min lat: ${formatG(latency.min)} max lat: ${formatG(latency.max)} avg lat: ${formatG(latency.mean)}\n`,
        );
      }
      out(
        `${at}${'sec'.padStart(5)}${'Cur ops'.padStart(8)}${'started'.padStart(10)}${'finished'.padStart(10)}` +
          `${'avg MB/s'.padStart(10)}${'cur MB/s'.padStart(10)}${'last lat(s)'.padStart(12)}${'avg lat(s)'.padStart(12)}\n`,
      );
    }
    const cell = (text: string | number, width: number): string => ` ${String(text).padStart(width)}`;
    const average = (opSize * finished) / elapsed_s / MIB;
    out(
      at +
        String(this.#second).padStart(5) +
        cell(inFlight, 7) +
        cell(started, 9) +
        cell(finished, 9) +
        cell(formatG(average), 9) +
        cell(isChanged ? formatG(rate) : '0', 9) +
        cell(isChanged ? formatG(lastLatency_s) : '-', 11) +
        `${cell(formatG(latency.mean), 11)}\n`,
    );
  }

  #object(f: Formatter, isChanged: boolean, rate: number): void {
    const { inFlight, started, finished, opSize, lastLatency_s, latency, elapsed_s } = this.#figures;
    f.openObject('data');
    text(f, 'sec', this.#second);
    text(f, 'cur_ops', inFlight);
    text(f, 'started', started);
    text(f, 'finished', finished);
    text(f, 'avg_bw', (opSize * finished) / elapsed_s / MIB, true);
    text(f, 'cur_bw', isChanged ? rate : 0, true);
    text(f, 'last_lat', isChanged ? lastLatency_s : 0, true);
    text(f, 'avg_lat', latency.mean, true);
    f.close();
    this.#write(f.flush());
  }
}

/** A number as a quoted text: how Ceph's program puts its figures. */
export function text(f: Formatter, name: string, value: number, isReal = false): void {
  f.string(name, isReal ? formatFixed(value, 6) : String(Math.trunc(value)));
}

/** The lines after a run that wrote (`write`) or read. */
export function finalLines(figures: BenchFigures, isWrite: boolean, runTime_s: number): string {
  const { finished, opSize, objectSize, bandwidth, iops, latency } = figures;
  const rate = (finished * opSize) / runTime_s / MIB;
  const width = isWrite ? 24 : 22;
  const rows: (readonly [string, number, isWriteOnly?: boolean])[] = [
    ['Total time run', runTime_s],
    [isWrite ? 'Total writes made' : 'Total reads made', finished],
    [isWrite ? 'Write size' : 'Read size', opSize],
    ['Object size', objectSize],
    ['Bandwidth (MB/sec)', rate],
    ['Stddev Bandwidth', bandwidth.deviation, true],
    ['Max bandwidth (MB/sec)', bandwidth.max, true],
    ['Min bandwidth (MB/sec)', bandwidth.min, true],
    ['Average IOPS', Math.trunc(finished / runTime_s)],
    ['Stddev IOPS', iops.deviation],
    ['Max IOPS', iops.max],
    ['Min IOPS', iops.min],
    ['Average Latency(s)', latency.mean],
    ['Stddev Latency(s)', latency.deviation, true],
    ['Max latency(s)', latency.max],
    ['Min latency(s)', latency.min],
  ];
  return rows
    .filter(([, , isWriteOnly]) => isWrite || isWriteOnly !== true)
    .map(
      ([name, value]) =>
        `${`${name}:`.padEnd(width)}${Number.isInteger(value) && value < 1e21 ? value : formatG(value)}\n`,
    )
    .join('');
}

/** The same, structured. */
export function dumpFinal(f: Formatter, figures: BenchFigures, isWrite: boolean, runTime_s: number): void {
  const { finished, opSize, objectSize, bandwidth, iops, latency } = figures;
  text(f, 'total_time_run', runTime_s, true);
  text(f, isWrite ? 'total_writes_made' : 'total_reads_made', finished);
  text(f, isWrite ? 'write_size' : 'read_size', opSize);
  text(f, 'object_size', objectSize);
  text(f, 'bandwidth', (finished * opSize) / runTime_s / MIB, true);
  if (isWrite) {
    text(f, 'stddev_bandwidth', bandwidth.deviation, true);
    text(f, 'max_bandwidth', bandwidth.max, true);
    text(f, 'min_bandwidth', bandwidth.min, true);
  }
  text(f, 'average_iops', finished / runTime_s);
  text(f, 'stddev_iops', iops.deviation, !isWrite);
  text(f, 'max_iops', iops.max);
  text(f, 'min_iops', iops.min);
  text(f, 'average_latency', latency.mean, true);
  if (isWrite) text(f, 'stddev_latency', latency.deviation, true);
  text(f, 'max_latency', latency.max, true);
  text(f, 'min_latency', latency.min, true);
}
