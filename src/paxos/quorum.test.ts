import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Clock, SeededEntropy, silentLogger, type TimerHandle } from '../base/index.ts';
import { decodeText, encodeText } from '../encoding/index.ts';
import { monPaxosOp } from '../messages/index.ts';
import { Election, MemoryKv, MonStore, PaxosLog, type PaxosMessage } from './index.ts';

interface Event {
  readonly at_ms: number;
  readonly order: number;
  fn: (() => void) | undefined;
}

/** Virtual time of one seed, with events in order of time and then of making. */
class World {
  readonly random: SeededEntropy;
  now_ms = 1_700_000_000_000;
  #events: Event[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = new SeededEntropy(seed);
  }

  chance(p: number): boolean {
    return this.random.float() < p;
  }

  at(delay_ms: number, fn: () => void): Event {
    const event: Event = { at_ms: this.now_ms + delay_ms, order: this.#order++, fn };
    this.#events.push(event);
    return event;
  }

  run(for_ms: number, done: () => boolean = () => false): void {
    const end = this.now_ms + for_ms;
    while (!done()) {
      let next: Event | undefined;
      for (const e of this.#events) {
        if (next === undefined || e.at_ms < next.at_ms || (e.at_ms === next.at_ms && e.order < next.order)) next = e;
      }
      if (next === undefined || next.at_ms > end) break;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.now_ms = next.at_ms;
      next.fn?.();
    }
    if (!done()) this.now_ms = end;
  }
}

type Wire =
  | { readonly kind: 'paxos'; readonly message: PaxosMessage }
  | { readonly kind: 'propose'; readonly epoch: number }
  | { readonly kind: 'ack'; readonly epoch: number }
  | { readonly kind: 'victory'; readonly epoch: number; readonly quorum: readonly number[] };

/** One monitor's two machines with the least around them: no probing, it calls elections at once. */
class Node {
  readonly rank: number;
  readonly net: Net;
  readonly kv = new MemoryKv();
  /** What a crash loses: writes that are not complete. */
  #life = 0;
  alive = false;
  ranks: readonly number[] = [];
  election!: Election;
  log!: PaxosLog;
  isActive = false;

  constructor(rank: number, net: Net) {
    this.rank = rank;
    this.net = net;
    const { world } = net;
    // Writes complete late, in order, and not at all after a crash.
    let busyUntil = 0;
    this.kv.hold = (complete) => {
      const life = this.#life;
      busyUntil = Math.max(busyUntil, world.now_ms) + world.random.float() * 20;
      world.at(busyUntil - world.now_ms, () => {
        if (life === this.#life) complete();
      });
    };
  }

  crash(): void {
    this.alive = false;
    this.#life++;
    this.log.stop();
  }

  start(): void {
    this.alive = true;
    this.#life++;
    const life = this.#life;
    const { world, size } = this.net;
    const { rank, kv } = this;
    const store = new MonStore(kv);
    const clock: Clock = {
      now: () => world.now_ms,
      monotonic: () => world.now_ms,
      setTimer: (delay_ms, fn) =>
        world.at(delay_ms, () => {
          if (life === this.#life) fn();
        }) as TimerHandle,
      clearTimer: (handle) => {
        (handle as { fn: unknown }).fn = undefined;
      },
      defer: (fn) => fn(),
    };
    let timer: TimerHandle | undefined;
    const stopTimer = (): void => {
      if (timer !== undefined) clock.clearTimer(timer);
      timer = undefined;
    };
    const reset = (): void => {
      this.ranks = [];
      this.isActive = false;
      this.log.leave();
    };
    const others = (wire: Wire): void => {
      for (let to = 0; to < size; to++) if (to !== rank) this.net.send(rank, to, wire);
    };
    const callElection = (): void => {
      stopTimer();
      reset();
      this.election.start();
    };
    this.log = new PaxosLog(
      store,
      silentLogger,
      clock,
      { keep_min: 1000, trim_min: 10, trim_max: 10 },
      () => ({ lease_ms: 1000, renew_ms: 600, leaseAck_ms: 2000, accept_ms: 2000 }),
      {
        rank,
        get electionEpoch() {
          return self.election.epoch;
        },
        send: (to, message) => this.net.send(rank, to, { kind: 'paxos', message }),
        bootstrap: () => {
          reset();
          stopTimer();
          timer = clock.setTimer(world.random.float() * 200, callElection);
        },
      },
    );
    const self = this;
    this.log.onCommitted = () => this.net.check(this);
    this.log.onActive = () => {
      this.isActive = true;
    };
    const epochAt = 'epoch';
    const write = (epoch: number): void => {
      const held = kv.hold;
      store.commitSync([{ kind: 'put', prefix: 'monitor', key: epochAt, value: encodeText(String(epoch)) }]);
      kv.hold = held;
    };
    this.election = new Election({
      rank,
      size,
      hasEverJoined: true,
      readEpoch: () => Number(decodeText(store.get('monitor', epochAt) ?? encodeText('0'))),
      writeEpoch: write,
      isMember: (other) => this.ranks.includes(other),
      propose: (epoch) => others({ kind: 'propose', epoch }),
      acknowledge: (to, epoch) => this.net.send(rank, to, { kind: 'ack', epoch }),
      joinElection: reset,
      callElection,
      giveUp: callElection,
      win: (epoch, quorum) => {
        for (const to of quorum) if (to !== rank) this.net.send(rank, to, { kind: 'victory', epoch, quorum });
        this.ranks = quorum;
        this.log.lead(quorum);
      },
      startTimer: (extra_ms) => {
        stopTimer();
        timer = clock.setTimer(1000 + extra_ms / 4, () => this.election.timeUp());
      },
      stopTimer,
    });
    callElection();
  }

  receive(from: number, wire: Wire): void {
    if (!this.alive) return;
    const { election } = this;
    if (wire.kind === 'propose') election.receivePropose(from, wire.epoch);
    else if (wire.kind === 'ack') election.receiveAck(from, wire.epoch);
    else if (wire.kind === 'victory') {
      if (!election.receiveVictory(from, wire.epoch)) return;
      this.ranks = wire.quorum;
      this.log.follow(wire.quorum);
    } else if (wire.message.epoch === election.epoch) this.log.receive(from, wire.message);
  }

  value(version: number): string | undefined {
    const op = this.log.read(version)?.ops.find((o) => o.prefix === 'data');
    return op?.kind === 'put' ? decodeText(op.value) : undefined;
  }
}

/** Messages between nodes: late, in another order, twice, or never. */
class Net {
  readonly world: World;
  readonly size: number;
  readonly nodes: Node[];
  loss = 0;
  twice = 0;
  delay_ms = 5;
  #cut = new Set<string>();
  /** Messages that are lost besides. */
  lose: ((from: number, to: number, wire: Wire) => boolean) | undefined;
  /** The value that each version has, as the first monitor that committed it has it. */
  readonly committed = new Map<number, string>();

  constructor(seed: number, size: number) {
    this.world = new World(seed);
    this.size = size;
    this.nodes = Array.from({ length: size }, (_, rank) => new Node(rank, this));
  }

  cut(a: number, b: number, isCut: boolean): void {
    for (const key of [`${a}>${b}`, `${b}>${a}`]) {
      if (isCut) this.#cut.add(key);
      else this.#cut.delete(key);
    }
  }

  mend(): void {
    this.#cut.clear();
    this.lose = undefined;
    this.loss = 0;
    this.twice = 0;
  }

  send(from: number, to: number, wire: Wire): void {
    const { world } = this;
    if (this.#cut.has(`${from}>${to}`) || world.chance(this.loss) || this.lose?.(from, to, wire) === true) return;
    const times = world.chance(this.twice) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      world.at(world.random.float() * this.delay_ms, () => this.nodes[to]!.receive(from, wire));
    }
  }

  /** A version has one value. */
  check(node: Node): void {
    for (let v = node.log.lastCommitted; v > 0; v--) {
      const value = node.value(v) ?? '';
      const known = this.committed.get(v);
      if (known === undefined) this.committed.set(v, value);
      else {
        assert.equal(value, known, `rank ${node.rank} has another version ${v}`);
        if (v < node.log.lastCommitted - 3) break;
      }
    }
  }

  get leader(): Node | undefined {
    return this.nodes.find((n) => n.alive && n.log.isWriteable);
  }
}

/** Proposes numbered values at whoever leads; notes which were acknowledged. */
class Writer {
  readonly #net: Net;
  #count = 0;
  readonly acknowledged = new Map<string, number>();

  constructor(net: Net) {
    this.#net = net;
  }

  write(): void {
    // Two may hold themselves for the leader for a while: any of them.
    for (const node of this.#net.nodes) {
      if (!node.alive || !node.log.isWriteable) continue;
      const value = `value ${++this.#count}`;
      node.log.pending().put('data', 'k', encodeText(value));
      node.log.propose(() => this.acknowledged.set(value, node.log.lastCommitted));
    }
  }
}

function progress(net: Net, writer: Writer, who: readonly number[], what: string): void {
  const before = writer.acknowledged.size;
  for (let i = 0; i < 400 && writer.acknowledged.size < before + 2; i++) {
    writer.write();
    net.world.run(100);
  }
  assert.ok(writer.acknowledged.size >= before + 2, `${what}: nothing is committed by ${who}`);
}

/** Every acknowledged value is the one of its version, or in one transaction with it, everywhere. */
function checkAll(net: Net, writer: Writer): void {
  const last = Math.max(...net.nodes.map((n) => n.log.lastCommitted));
  for (const node of net.nodes) {
    assert.equal(node.log.lastCommitted, last, `rank ${node.rank} lags`);
    net.check(node);
  }
  for (const [value, version] of writer.acknowledged) {
    const ops = net.nodes[0]!.log.read(version)?.ops ?? [];
    const values = ops.filter((o) => o.prefix === 'data').map((o) => (o.kind === 'put' ? decodeText(o.value) : ''));
    assert.ok(values.includes(value), `${value}, acknowledged as version ${version}, is lost`);
  }
}

describe('a quorum of monitors', () => {
  it('elects the lowest rank and commits on all', () => {
    const net = new Net(1, 3);
    for (const node of net.nodes) node.start();
    const writer = new Writer(net);
    progress(net, writer, [0, 1, 2], 'at the start');
    assert.equal(net.leader!.rank, 0);
    assert.deepEqual(net.leader!.ranks, [0, 1, 2]);
    net.world.run(2000);
    assert.ok(net.nodes.every((n) => n.log.isReadable));
    checkAll(net, writer);
  });

  it('goes on without its leader, and takes it back', () => {
    const net = new Net(2, 3);
    for (const node of net.nodes) node.start();
    const writer = new Writer(net);
    progress(net, writer, [0, 1, 2], 'at the start');
    net.nodes[0]!.crash();
    progress(net, writer, [1, 2], 'without the leader');
    assert.equal(net.leader!.rank, 1);
    net.nodes[0]!.start();
    net.world.run(10_000);
    assert.equal(net.leader!.rank, 0);
    progress(net, writer, [0, 1, 2], 'with the leader back');
    net.world.run(2000);
    checkAll(net, writer);
  });

  it('keeps what only a leader that died knew to be committed, under one that was away', () => {
    const net = new Net(4, 3);
    const [a, b, c] = net.nodes as [Node, Node, Node];
    for (const node of net.nodes) node.start();
    const writer = new Writer(net);
    progress(net, writer, [0, 1, 2], 'at the start');
    net.cut(1, 0, true);
    net.cut(1, 2, true);
    net.world.run(10_000);
    assert.deepEqual(net.leader!.ranks, [0, 2]);
    progress(net, writer, [0, 2], 'without one');
    // The other accepts the next version and never hears that it is committed.
    const told = c.log.lastCommitted;
    net.lose = (from, to, wire) =>
      from === 0 && to === 2 && wire.kind === 'paxos' && wire.message.op === monPaxosOp.COMMIT;
    const before = writer.acknowledged.size;
    writer.write();
    net.world.run(1500, () => writer.acknowledged.size > before);
    assert.equal(writer.acknowledged.size, before + 1);
    assert.deepEqual([a.log.lastCommitted, c.log.lastCommitted], [told + 1, told]);
    a.crash();
    net.mend();
    progress(net, writer, [1, 2], 'under the one that was away');
    assert.ok(b.log.isWriteable);
    a.start();
    net.world.run(15_000);
    progress(net, writer, [0, 1, 2], 'with all');
    net.world.run(2000);
    checkAll(net, writer);
  });

  it('keeps its promises: nothing below the number it promised, on disk before it answers', () => {
    const kv = new MemoryKv();
    const writes: (() => void)[] = [];
    kv.hold = (complete) => writes.push(complete);
    const settle = (): void => {
      for (let next = writes.shift(); next !== undefined; next = writes.shift()) next();
    };
    const sent: PaxosMessage[] = [];
    const taken = (): PaxosMessage[] => sent.splice(0);
    const clock: Clock = {
      now: () => 1000,
      monotonic: () => 1000,
      setTimer: () => 0 as never,
      clearTimer: () => {},
      defer: (fn) => fn(),
    };
    const peon = (): PaxosLog => {
      const log = new PaxosLog(
        new MonStore(kv),
        silentLogger,
        clock,
        { keep_min: 1000, trim_min: 10, trim_max: 10 },
        () => ({ lease_ms: 1000, renew_ms: 600, leaseAck_ms: 2000, accept_ms: 2000 }),
        { rank: 1, electionEpoch: 2, send: (_to, m) => sent.push(m), bootstrap: () => {} },
      );
      log.follow([0, 1]);
      return log;
    };
    const message = (op: number, pn: number, values = new Map<number, Uint8Array>()): PaxosMessage => ({
      epoch: 2,
      op,
      firstCommitted: 0,
      lastCommitted: 0,
      pnFrom: 0,
      pn,
      uncommittedPn: 0,
      leaseTimestamp: { sec: 0, nsec: 0 },
      sentTimestamp: { sec: 0, nsec: 0 },
      values,
    });
    const proposal = new Map([[1, encodeText('a value')]]);
    const log = peon();
    log.receive(0, message(monPaxosOp.COLLECT, 300));
    assert.deepEqual(taken(), [], 'not before it is on disk');
    settle();
    assert.deepEqual(
      taken().map((m) => [m.op, m.pn]),
      [[monPaxosOp.LAST, 300]],
    );
    log.receive(0, message(monPaxosOp.BEGIN, 200, proposal));
    settle();
    assert.deepEqual(taken(), [], 'no acceptance below the promise');
    log.receive(0, message(monPaxosOp.COLLECT, 200));
    settle();
    assert.deepEqual(
      taken().map((m) => [m.op, m.pn]),
      [[monPaxosOp.LAST, 300]],
    );
    log.receive(0, message(monPaxosOp.BEGIN, 300, proposal));
    assert.deepEqual(taken(), [], 'not before it is on disk');
    settle();
    assert.deepEqual(
      taken().map((m) => m.op),
      [monPaxosOp.ACCEPT],
    );
    // Another life of the same store.
    const again = peon();
    again.receive(0, message(monPaxosOp.COLLECT, 250));
    settle();
    const [last] = taken();
    assert.deepEqual([last!.pn, last!.uncommittedPn, last!.values.size], [300, 300, 1]);
  });

  it('commits nothing in a minority, which answers no reads', () => {
    const net = new Net(3, 3);
    for (const node of net.nodes) node.start();
    const writer = new Writer(net);
    progress(net, writer, [0, 1, 2], 'at the start');
    net.cut(0, 1, true);
    net.cut(0, 2, true);
    // It renews its own lease until it misses the acknowledgements: before the others can have a leader.
    net.world.run(2700);
    assert.equal(net.nodes[0]!.log.isReadable, false);
    const before = net.nodes[0]!.log.lastCommitted;
    progress(net, writer, [1, 2], 'with the leader cut off');
    assert.equal(net.nodes[0]!.log.lastCommitted, before);
    net.mend();
    net.world.run(15_000);
    progress(net, writer, [0, 1, 2], 'with the wires mended');
    net.world.run(2000);
    checkAll(net, writer);
  });

  it('keeps what it acknowledged, whatever is lost, late, doubled, cut or crashed', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const net = new Net(seed * 7919, seed % 3 === 0 ? 5 : 3);
      const { world, nodes } = net;
      for (const node of nodes) node.start();
      const writer = new Writer(net);
      net.loss = 0.05 * (seed % 4);
      net.twice = 0.1 * (seed % 3);
      net.delay_ms = [5, 50, 400][seed % 3]!;
      for (let step = 0; step < 120; step++) {
        writer.write();
        world.run(world.random.float() * 300);
        const node = nodes[world.random.u32() % nodes.length]!;
        if (world.chance(0.06) && node.alive) node.crash();
        else if (world.chance(0.2) && !node.alive) node.start();
        if (world.chance(0.06)) net.cut(node.rank, world.random.u32() % nodes.length, true);
        if (world.chance(0.03)) net.mend();
      }
      net.mend();
      net.delay_ms = 5;
      for (const node of nodes) if (!node.alive) node.start();
      world.run(20_000);
      progress(net, writer, [0, 1, 2], `seed ${seed}`);
      world.run(5000);
      checkAll(net, writer);
    }
  });
});
