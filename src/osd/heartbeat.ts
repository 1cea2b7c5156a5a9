/**
 * Heartbeats between OSDs that share PGs, on two paths (front: the clients' network, back: the OSDs' own). A peer that is silent on either for the grace is reported to the
 * monitors, and taken back when it speaks again.
 */
import type { Clock, Entropy } from '../base/index.ts';
import {
  type MessageParts,
  MOSDFailure,
  MOSDPing,
  type OsdPing,
  osdFailureFlag,
  osdPingOp,
} from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { entityType, type OSDMap, type Utime, utimeFromMs } from '../types/index.ts';

export interface HeartbeatHost {
  readonly whoami: number;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly map: OSDMap;
  readonly upFrom: number;
  readonly isActive: boolean;
  readonly heartbeat: {
    readonly interval_ms: number;
    readonly grace_ms: number;
    readonly minPeers: number;
    readonly minSize: number;
  };
  /** OSDs that this one's PGs are mapped to. */
  peersOfPgs(): Iterable<number>;
  sendToMon(message: MessageParts): void;
  /** The peer has an older map. */
  shareMapWith(osd: number, epoch: number): void;
  /** A peer has a newer map than this OSD. */
  sawEpoch(epoch: number): void;
}

interface Path {
  /** Undefined until the tick after the peer was added: while a cluster starts there is better to do than a handshake on each of its paths. */
  connection: Connection | undefined;
  lastReply_ms: number;
}

interface Peer {
  readonly osd: number;
  readonly addrs: string;
  readonly back: Path;
  readonly front: Path;
  /** Oldest ping without an answer on both paths, by its stamp in milliseconds. */
  readonly open: { stamp_ms: number; back: boolean; front: boolean; sent_ms: number }[];
  firstPing_ms: number;
  failedSince_ms: number | undefined;
  lastPing_us: number;
}

export class Heartbeat {
  readonly #host: HeartbeatHost;
  readonly #client: Messenger;
  readonly #peers = new Map<number, Peer>();
  readonly #reported = new Map<number, { addrs: string; since_ms: number }>();
  #nextPing_ms = 0;

  constructor(host: HeartbeatHost, client: Messenger) {
    this.#host = host;
    this.#client = client;
  }

  get peers(): number[] {
    return [...this.#peers.keys()].sort((a, b) => a - b);
  }

  /** Who is pinged follows the PGs and the map. */
  updatePeers(): void {
    const { map, whoami, heartbeat } = this.#host;
    const want = new Set<number>();
    for (const osd of this.#host.peersOfPgs()) if (osd !== whoami && map.isUp(osd)) want.add(osd);
    // Neighbours by number, and enough of them that somebody notices.
    const up = [...map.osds()].filter((osd) => osd !== whoami && map.isUp(osd));
    const next = up.find((osd) => osd > whoami) ?? up[0];
    const previous = [...up].reverse().find((osd) => osd < whoami) ?? up[up.length - 1];
    if (next !== undefined) want.add(next);
    if (previous !== undefined) want.add(previous);
    for (const osd of up) if (want.size < heartbeat.minPeers) want.add(osd);
    for (const [osd, peer] of [...this.#peers]) {
      if (!want.has(osd) || peer.addrs !== this.#addrsOf(osd)) this.#drop(peer);
    }
    for (const osd of want) if (!this.#peers.has(osd)) this.#add(osd);
    for (const [osd, r] of [...this.#reported]) {
      if (!map.isUp(osd) || this.#addrsOf(osd) !== r.addrs) this.#reported.delete(osd);
    }
  }

  #addrsOf(osd: number): string {
    const { map } = this.#host;
    return `${map.hbBackAddrs[osd]}/${map.hbFrontAddrs[osd]}`;
  }

  #add(osd: number): void {
    const { map, clock } = this.#host;
    const back = map.hbBackAddrs[osd];
    const front = map.hbFrontAddrs[osd];
    if (back === undefined || front === undefined || back.addrs.length === 0 || front.addrs.length === 0) return;
    const now = clock.monotonic();
    this.#peers.set(osd, {
      osd,
      addrs: this.#addrsOf(osd),
      back: { connection: undefined, lastReply_ms: now },
      front: { connection: undefined, lastReply_ms: now },
      open: [],
      firstPing_ms: 0,
      failedSince_ms: undefined,
      lastPing_us: 0,
    });
  }

  #drop(peer: Peer): void {
    peer.back.connection?.markDown();
    peer.front.connection?.markDown();
    this.#peers.delete(peer.osd);
  }

  stop(): void {
    for (const peer of [...this.#peers.values()]) this.#drop(peer);
  }

  /** Called often; pings when it is time. */
  tick(): void {
    const { clock, heartbeat, entropy } = this.#host;
    const now = clock.monotonic();
    for (const peer of this.#peers.values()) if (peer.back.connection === undefined) this.#dial(peer);
    if (now >= this.#nextPing_ms) {
      // Spread, so that many OSDs do not ping at once.
      this.#nextPing_ms = now + 500 + (heartbeat.interval_ms - 500) * (0.1 + 0.9 * entropy.float());
      for (const peer of this.#peers.values()) this.#ping(peer, now);
    }
    this.#check(now);
  }

  #dial(peer: Peer): void {
    const { map } = this.#host;
    const back = map.hbBackAddrs[peer.osd];
    const front = map.hbFrontAddrs[peer.osd];
    if (back === undefined || front === undefined) return;
    peer.back.connection = this.#client.connect(entityType.OSD, back);
    peer.front.connection = this.#client.connect(entityType.OSD, front);
  }

  #ping(peer: Peer, now: number): void {
    const { clock } = this.#host;
    const stamp_ms = Math.round(clock.now());
    if (peer.firstPing_ms === 0) peer.firstPing_ms = now;
    if (peer.open.length > 100) peer.open.shift();
    peer.open.push({ stamp_ms, back: false, front: false, sent_ms: now });
    const message = this.#message(osdPingOp.PING, utimeFromMs(stamp_ms), now * 1e6);
    peer.back.connection?.send(message);
    peer.front.connection?.send(message);
  }

  #message(op: number, stamp: Utime, monoStamp_ns: number): WireMessage {
    const { map, upFrom, clock, heartbeat } = this.#host;
    return MOSDPing.encode({
      fsid: map.fsid,
      mapEpoch: map.epoch,
      op,
      pingStamp: stamp,
      upFrom,
      monoPingStamp_ns: monoStamp_ns,
      monoSendStamp_ns: clock.monotonic() * 1e6,
      minMessageSize: heartbeat.minSize,
    });
  }

  /** MOSDPing on any heartbeat messenger. Throws DecodeError. */
  handle(message: ReceivedMessage): void {
    const ping = MOSDPing.decode(message);
    const from = message.source.num;
    const { map } = this.#host;
    if (ping.op === osdPingOp.PING) this.#answer(message, ping, from);
    else if (ping.op === osdPingOp.PING_REPLY) this.#answered(message, ping, from);
    else if (ping.op === osdPingOp.YOU_DIED) this.#host.sawEpoch(ping.mapEpoch);
    if (ping.mapEpoch > map.epoch) this.#host.sawEpoch(ping.mapEpoch);
  }

  #answer(message: ReceivedMessage, ping: OsdPing, from: number): void {
    const { map } = this.#host;
    message.connection.send(this.#message(osdPingOp.PING_REPLY, ping.pingStamp, ping.monoPingStamp_ns));
    if (map.isUp(from)) {
      if (ping.mapEpoch < map.epoch) this.#host.shareMapWith(from, ping.mapEpoch);
    } else if (map.exists(from) && ping.upFrom <= (map.osdInfo[from]?.downAt ?? 0) && ping.upFrom > 0) {
      message.connection.send(this.#message(osdPingOp.YOU_DIED, ping.pingStamp, ping.monoPingStamp_ns));
    }
  }

  #answered(message: ReceivedMessage, ping: OsdPing, from: number): void {
    const peer = this.#peers.get(from);
    if (peer === undefined) return;
    const { clock } = this.#host;
    const now = clock.monotonic();
    const stamp_ms = ping.pingStamp.sec * 1000 + Math.round(ping.pingStamp.nsec / 1e6);
    const i = peer.open.findIndex((o) => o.stamp_ms === stamp_ms);
    const open = peer.open[i];
    if (open === undefined) return;
    if (message.connection === peer.back.connection) {
      peer.back.lastReply_ms = now;
      open.back = true;
    } else if (message.connection === peer.front.connection) {
      peer.front.lastReply_ms = now;
      open.front = true;
    }
    if (open.back && open.front) {
      peer.lastPing_us = (now - open.sent_ms) * 1000;
      peer.open.splice(0, i + 1);
      const reported = this.#reported.get(from);
      if (reported !== undefined) {
        this.#reported.delete(from);
        this.#report(from, osdFailureFlag.ALIVE, 0);
      }
      peer.failedSince_ms = undefined;
    }
  }

  #check(now: number): void {
    const { heartbeat, isActive } = this.#host;
    if (!isActive) return;
    for (const peer of this.#peers.values()) {
      const oldest = peer.open[0];
      if (oldest === undefined || now - oldest.sent_ms < heartbeat.grace_ms) continue;
      peer.failedSince_ms ??= Math.min(peer.back.lastReply_ms, peer.front.lastReply_ms);
      if (this.#reported.has(peer.osd)) continue;
      this.#reported.set(peer.osd, { addrs: peer.addrs, since_ms: peer.failedSince_ms });
      this.#report(peer.osd, osdFailureFlag.FAILED, (now - peer.failedSince_ms) / 1000);
    }
  }

  #report(osd: number, flags: number, failedFor_s: number): void {
    const { map } = this.#host;
    const targetAddrs = map.clientAddrs[osd];
    if (targetAddrs === undefined) return;
    this.#host.sendToMon(
      MOSDFailure.encode({
        paxosVersion: map.epoch,
        fsid: map.fsid,
        targetOsd: osd,
        targetAddrs,
        epoch: map.epoch,
        flags,
        failedFor_s: Math.floor(failedFor_s),
      }),
    );
  }

  /** Nobody listens at a peer's address any more: its process is gone, no grace is needed. */
  refused(osd: number): void {
    const { map, isActive, heartbeat } = this.#host;
    if (!isActive || !map.isUp(osd)) return;
    this.#report(osd, osdFailureFlag.FAILED | osdFailureFlag.IMMEDIATE, heartbeat.grace_ms / 1000);
  }

  /** Reports again to a new monitor what the old one was told. */
  reportAgain(): void {
    const now = this.#host.clock.monotonic();
    for (const [osd, r] of this.#reported) this.#report(osd, osdFailureFlag.FAILED, (now - r.since_ms) / 1000);
  }

  /** Connections to peers; for telling whose was refused. */
  osdOf(connection: Connection): number | undefined {
    for (const p of this.#peers.values()) {
      if (p.back.connection === connection || p.front.connection === connection) return p.osd;
    }
    return undefined;
  }

  /** A lossy connection ended: it is dialled again, so that the next ping has a way. */
  reset(connection: Connection): void {
    const { map } = this.#host;
    for (const p of this.#peers.values()) {
      for (const [path, addrs] of [
        [p.back, map.hbBackAddrs[p.osd]],
        [p.front, map.hbFrontAddrs[p.osd]],
      ] as const) {
        if (path.connection === connection && addrs !== undefined) {
          path.connection = this.#client.connect(entityType.OSD, addrs);
        }
      }
    }
  }
}
