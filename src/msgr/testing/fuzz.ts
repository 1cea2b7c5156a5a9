/**
 * Mutated handshakes, frames and byte streams against both sides of the messenger. One side runs with a writer that breaks what it lays
 * out (so that signatures and checksums still fit and the damage reaches deep states) or with a socket that breaks bytes; the other must
 * end that connection at most, with at most one line in the log, and serve on.
 */
import { invariant, type Logger, SeededEntropy } from '../../base/index.ts';
import { EntityAddrVec, entityType } from '../../types/index.ts';
import type { WireMessage } from '../api.ts';
import { encodeBanner } from '../control-frames.ts';
import type { Sealer } from '../crypto.ts';
import { FrameWriter } from '../frame-writer.ts';
import { Messenger } from '../messenger.ts';
import { clientPolicies, osdClusterPolicies, osdPublicPolicies, type PolicySet } from '../policy.ts';
import { FakeWorld } from './fake-world.ts';
import { client, message, osd, Recorder } from './harness.ts';
import { testAuthClient, testAuthServer } from './none-auth.ts';

export interface FuzzReport {
  readonly cases: number;
  /** Cases after which the connection was still open. */
  readonly survived: number;
  /** Cases whose handshake came to its end. */
  readonly connected: number;
}

/** Values that sit on the edges of the fields. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff];

function pick(entropy: SeededEntropy, n: number): number {
  return Math.floor(entropy.float() * n);
}

/** `bytes` with some damage: flipped bits, edge values, cut, grown, or replaced. */
export function mutate(entropy: SeededEntropy, bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes);
  switch (pick(entropy, 8)) {
    case 0:
      return out.subarray(0, pick(entropy, out.length + 1));
    case 1:
      return Uint8Array.from([...out, ...entropy.bytes(1 + pick(entropy, 40))]);
    case 2:
      return entropy.bytes(pick(entropy, 300));
    case 3: {
      // A 32-bit field at its edge.
      if (out.length < 4) return out;
      const at = pick(entropy, out.length - 3);
      out.fill(EDGES[pick(entropy, EDGES.length)]!, at, at + 4);
      return out;
    }
    default:
      for (let n = 1 + pick(entropy, 4); n > 0 && out.length > 0; n--) {
        const at = pick(entropy, out.length);
        out[at] = pick(entropy, 2) === 0 ? out[at]! ^ (1 << pick(entropy, 8)) : EDGES[pick(entropy, EDGES.length)]!;
      }
      return out;
  }
}

/** Lays out frames, and now and then other ones. */
class FuzzWriter extends FrameWriter {
  readonly #entropy: SeededEntropy;
  readonly #rate: number;

  constructor(entropy: SeededEntropy, rate: number) {
    super();
    this.#entropy = entropy;
    this.#rate = rate;
  }

  override control(tag: number, payload: Uint8Array, isRev1: boolean, sealer: Sealer | undefined): void {
    const e = this.#entropy;
    if (e.float() >= this.#rate) {
      super.control(tag, payload, isRev1, sealer);
      return;
    }
    switch (pick(e, 7)) {
      case 0: // another kind of frame
        super.control(pick(e, 23), payload, isRev1, sealer);
        return;
      case 1: // twice
        super.control(tag, payload, isRev1, sealer);
        super.control(tag, payload, isRev1, sealer);
        return;
      case 2: // not at all
        return;
      case 3: // after something else
        super.control(pick(e, 23), mutate(e, payload), isRev1, sealer);
        super.control(tag, payload, isRev1, sealer);
        return;
      case 4: // a message where none belongs
        super.message(message(pick(e, 1000)), pick(e, 5), 0, isRev1, sealer);
        super.control(tag, payload, isRev1, sealer);
        return;
      default:
        super.control(tag, mutate(e, payload), isRev1, sealer);
    }
  }

  override message(m: WireMessage, seq: number, ackSeq: number, isRev1: boolean, sealer: Sealer | undefined): void {
    const e = this.#entropy;
    if (e.float() >= this.#rate) {
      super.message(m, seq, ackSeq, isRev1, sealer);
      return;
    }
    switch (pick(e, 5)) {
      case 0:
        super.message(m, pick(e, 2) === 0 ? pick(e, 4) : e.u32() * 2 ** pick(e, 32), ackSeq, isRev1, sealer);
        return;
      case 1:
        super.message(m, seq, e.u32() * 2 ** pick(e, 32), isRev1, sealer);
        return;
      case 2:
        super.message({ ...m, front: mutate(e, m.front), dataCrc: e.u32() }, seq, ackSeq, isRev1, sealer);
        return;
      case 3:
        super.control(pick(e, 23), e.bytes(pick(e, 60)), isRev1, sealer);
        super.message(m, seq, ackSeq, isRev1, sealer);
        return;
      default:
        super.message(m, seq, ackSeq, isRev1, sealer);
        super.message(m, seq, ackSeq, isRev1, sealer);
    }
  }
}

/** A stream that no messenger wrote. */
function garbage(e: SeededEntropy): Uint8Array {
  const banner = encodeBanner(BigInt(pick(e, 4)), BigInt(pick(e, 3)));
  switch (pick(e, 4)) {
    case 0:
      return e.bytes(1 + pick(e, 2000));
    case 1:
      return mutate(e, banner);
    case 2:
      return Uint8Array.from([...banner, ...e.bytes(1 + pick(e, 500))]);
    default: {
      // A sound preamble that claims up to 4 GiB.
      const writer = new FrameWriter();
      writer.control(pick(e, 23), new Uint8Array(8), pick(e, 2) === 0, undefined);
      const frame = Uint8Array.from(Buffer.concat(writer.take()));
      new DataView(frame.buffer).setUint32(2 + 6 * pick(e, 4), e.u32(), true);
      return Uint8Array.from([...banner, ...frame]);
    }
  }
}

const CASES_PER_WORLD = 200;

/** Runs `cases` cases from `seed`. Throws at the first one that breaks a rule; its message names the seed and number. */
export async function fuzzMessenger(cases: number, seed: number): Promise<FuzzReport> {
  let survived = 0;
  let connected = 0;
  for (let first = 0; first < cases; first += CASES_PER_WORLD) {
    const report = await runWorld(Math.min(CASES_PER_WORLD, cases - first), seed, first);
    survived += report.survived;
    connected += report.connected;
  }
  return { cases, survived, connected };
}

async function runWorld(cases: number, seed: number, first: number): Promise<FuzzReport> {
  const e = new SeededEntropy((seed * 0x9e3779b1 + first) >>> 0);
  const world = new FakeWorld({
    seed: e.u32(),
    chunk: (c, n) => (c.float() < 0.3 ? 1 + pick(c, n) : n),
    isBackedUp: (c) => c.float() < 0.1,
  });
  let lines = 0;
  const logger: Logger = {
    enabled: (_subsystem, level) => level <= 1,
    log: () => {
      lines++;
    },
    error: () => {
      lines++;
    },
  };
  const isPeer = pick(e, 2) === 0;
  const serverPolicies: PolicySet = isPeer ? osdClusterPolicies() : osdPublicPolicies(1 << 20, 20);
  const base = { network: world.network, clock: world.clock };
  // In some worlds the side that listens is the one that breaks the rules.
  const isServerMad = pick(e, 4) === 0;
  const rate = [0.02, 0.1, 0.3][pick(e, 3)]!;
  const server = new Messenger({
    ...base,
    entropy: e.fork(),
    name: osd(1),
    policies: serverPolicies,
    nonce: 1,
    authClient: testAuthClient(false),
    authServer: testAuthServer({
      rounds: pick(e, 3),
      ...(pick(e, 2) === 0 ? { defer: (fn: () => void) => void world.at(1, fn) } : {}),
    }),
    logger,
    options: { halfOpen_max: 20, connectTimeout_ms: 1000, offerRevision1: pick(e, 5) > 0 },
    ...(isServerMad ? { writer: new FuzzWriter(e.fork(), rate) } : {}),
  });
  const recorder = new Recorder();
  server.addDispatcher(recorder);
  recorder.onMessage = (m) => m.connection.send(message(m.tid, { data: m.data }));
  const addrs = await server.bind(EntityAddrVec.parse('v2:127.0.0.1:6800')!);
  let survived = 0;
  let connected = 0;
  for (let i = 0; i < cases; i++) {
    const context = { seed, case: first + i };
    lines = 0;
    let connections = 0;
    let breakBytes = false;
    world.network.onConnection = (dialling, listening) => {
      connections++;
      if (!breakBytes) return;
      const target = isServerMad ? dialling : listening;
      const at = pick(e, 1500);
      const deliver = target.deliver.bind(target);
      let received = 0;
      target.deliver = (chunk) => {
        const isHit = received <= at && at < received + chunk.length;
        received += chunk.length;
        deliver(isHit ? mutate(e, chunk) : chunk);
      };
    };
    recorder.received.length = 0;
    if (!isServerMad && pick(e, 6) === 0) {
      world.network.connect(
        { host: '127.0.0.1', port: 6800 },
        (socket) => {
          socket.handler = { data: () => {}, drain: () => {}, closed: () => {} };
          socket.write([garbage(e)]);
          world.at(3, () => socket.destroy());
        },
        () => {},
      );
      run(world, 5, context);
    } else {
      breakBytes = pick(e, 4) === 0;
      const peer = new Messenger({
        ...base,
        entropy: e.fork(),
        name: isPeer ? osd(2 + pick(e, 3)) : client(pick(e, 100) - 1),
        policies: isPeer ? osdClusterPolicies() : clientPolicies(),
        nonce: pick(e, 4),
        authClient: testAuthClient(pick(e, 8) === 0),
        authServer: testAuthServer(),
        logger,
        options: { maxBackoff_ms: 1 },
        ...(isServerMad || breakBytes ? {} : { writer: new FuzzWriter(e.fork(), rate) }),
      });
      const received = new Recorder();
      peer.addDispatcher(received);
      // The same address again and again: sessions of those before are met.
      if (isPeer) await peer.bind(EntityAddrVec.parse(`v2:127.0.0.1:${6900 + pick(e, 3)}`)!);
      const con = peer.connect(entityType.OSD, addrs, { anonymous: pick(e, 3) === 0 });
      for (let n = pick(e, 4); n >= 0; n--) con.send(message(n, { data: [new Uint8Array(pick(e, 600))] }));
      if (pick(e, 3) === 0) con.keepalive();
      run(world, 5, context);
      if (con.isConnected) survived++;
      if (received.events.includes('connect')) connected++;
      if (isPeer && pick(e, 2) === 0) for (const back of server.connections()) back.send(message(9));
      run(world, 2, context);
      peer.shutdown();
      run(world, 2, context);
    }
    // Two ends of each connection may say one line each.
    invariant(lines <= 2 * connections + 2, 'too many lines in the log', { ...context, lines, connections });
    invariant(server.stats.halfOpen <= 20, 'too many half-open connections', context);
  }
  world.network.onConnection = undefined;
  if (!isServerMad) await checkServes(world, addrs, recorder, { seed, case: first + cases });
  server.shutdown();
  return { cases, survived, connected };
}

function run(world: FakeWorld, limit_ms: number, context: { seed: number; case: number }): void {
  try {
    world.run(undefined, limit_ms);
  } catch (error) {
    throw new Error(`fuzz seed ${context.seed}, case ${context.case}: ${String(error)}`, { cause: error });
  }
}

/** An honest client is served. */
async function checkServes(
  world: FakeWorld,
  addrs: EntityAddrVec,
  recorder: Recorder,
  context: { seed: number; case: number },
): Promise<void> {
  recorder.received.length = 0;
  const honest = new Messenger({
    network: world.network,
    clock: world.clock,
    entropy: world.entropy.fork(),
    name: client(77),
    policies: clientPolicies(),
    authClient: testAuthClient(false),
  });
  honest.connect(entityType.OSD, addrs).send(message(4711));
  const isServed = world.run(() => recorder.tids.includes(4711), 5000);
  honest.shutdown();
  invariant(isServed, 'an honest client is not served', context);
}
