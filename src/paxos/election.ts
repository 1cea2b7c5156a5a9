import { invariant } from '../base/index.ts';

/** What {@link Election} needs of the monitor around it. */
export interface ElectionPeers {
  /** This monitor's rank; the lowest wins. */
  readonly rank: number;
  /** Monitors in the map. */
  readonly size: number;
  /** Whether this monitor ever was in a quorum: only then it calls elections by itself. */
  readonly hasEverJoined: boolean;
  readEpoch(): number;
  /** Durable before it returns. */
  writeEpoch(epoch: number): void;
  /** Whether a rank is in the present quorum. */
  isMember(rank: number): boolean;
  /** Asks every other monitor for its vote. */
  propose(epoch: number): void;
  /** Gives the vote to `rank`. */
  acknowledge(rank: number, epoch: number): void;
  /** An election is going on: whatever quorum there was is over. */
  joinElection(): void;
  /** This monitor calls an election; comes back as {@link Election.start}. */
  callElection(): void;
  /** Nobody won, and this monitor never was in a quorum: it looks around anew. */
  giveUp(): void;
  /** Won, with the votes of `quorum`. */
  win(epoch: number, quorum: readonly number[]): void;
  /** Calls {@link Election.timeUp} after mon_election_timeout and `extra_ms`. A second call replaces the first. */
  startTimer(extra_ms: number): void;
  stopTimer(): void;
}

/** Time that who voted for another gives it to declare its victory. */
const DEFER_EXTRA_MS = 1000;

/**
 * Who leads, by the classic strategy: the lowest rank of those that hear each other. An epoch is odd while an election goes on and even while its result
 * holds; it never goes back, across restarts.
 *
 *     start: odd epoch, PROPOSE to all -> a higher rank answers ACK, a lower one proposes itself
 *     all have acknowledged, or time is up and a majority has -> even epoch, VICTORY to who acknowledged
 *
 * A monitor that voted votes again where a lower rank asks, so two that do not hear each other can both win an epoch. That does no harm: who voted for both follows
 * one, and {@link PaxosLog} commits nothing without a majority that promised it.
 */
export class Election {
  readonly #peers: ElectionPeers;
  #epoch = 0;
  #electingMe = false;
  readonly #ackedMe = new Set<number>();
  /** Whom this monitor voted for; -1 for nobody. */
  #leaderAcked = -1;

  constructor(peers: ElectionPeers) {
    this.#peers = peers;
    this.#epoch = peers.readEpoch();
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Takes up the stored epoch again: the store was replaced. */
  reload(): void {
    this.#epoch = Math.max(this.#epoch, this.#peers.readEpoch());
  }

  #init(): void {
    if (this.#epoch === 0) this.#epoch = 1;
    else if (this.#epoch % 2 === 1) this.#write(this.#epoch + 1);
  }

  #write(epoch: number): void {
    this.#epoch = epoch;
    this.#peers.writeEpoch(epoch);
  }

  #bump(epoch: number): void {
    invariant(epoch >= this.#epoch, 'an election epoch goes back', { from: this.#epoch, to: epoch });
    this.#write(epoch);
    this.#electingMe = false;
    this.#ackedMe.clear();
    this.#peers.joinElection();
  }

  /** A monitor alone: it has won. Returns the epoch of its reign. */
  winAlone(): number {
    this.#init();
    this.#write(this.#epoch % 2 === 1 ? this.#epoch + 2 : this.#epoch + 1);
    return this.#epoch;
  }

  start(): void {
    this.#init();
    if (this.#epoch % 2 === 0) this.#bump(this.#epoch + 1);
    this.#ackedMe.clear();
    this.#ackedMe.add(this.#peers.rank);
    this.#leaderAcked = -1;
    this.#electingMe = true;
    this.#peers.propose(this.#epoch);
    this.#peers.startTimer(0);
  }

  timeUp(): void {
    if (this.#electingMe && this.#ackedMe.size > this.#peers.size >> 1) this.#declareVictory();
    else if (this.#peers.hasEverJoined) this.#peers.callElection();
    else this.#peers.giveUp();
  }

  receivePropose(from: number, epoch: number): void {
    const { rank } = this.#peers;
    if (from === rank || epoch % 2 === 0) return;
    if (epoch > this.#epoch) {
      this.#bump(epoch);
      this.#leaderAcked = -1;
    } else if (epoch < this.#epoch) {
      // Somebody outside the quorum has just started: a new election lets it in.
      if (this.#epoch % 2 === 0 && !this.#peers.isMember(from)) this.#peers.callElection();
      return;
    }
    if (rank < from) {
      if (this.#leaderAcked < 0 && !this.#electingMe) this.#peers.callElection();
    } else if (this.#leaderAcked < 0 || this.#leaderAcked >= from) this.#defer(from);
  }

  #defer(to: number): void {
    this.#ackedMe.clear();
    this.#electingMe = false;
    this.#leaderAcked = to;
    this.#peers.acknowledge(to, this.#epoch);
    this.#peers.startTimer(DEFER_EXTRA_MS);
  }

  receiveAck(from: number, epoch: number): void {
    if (epoch % 2 === 0 || epoch < this.#epoch) return;
    if (epoch > this.#epoch) {
      // A vote for this monitor's earlier life.
      this.#bump(epoch);
      this.start();
      return;
    }
    if (!this.#electingMe) return;
    this.#ackedMe.add(from);
    if (this.#ackedMe.size === this.#peers.size) this.#declareVictory();
  }

  #declareVictory(): void {
    const quorum = [...this.#ackedMe].sort((a, b) => a - b);
    this.#leaderAcked = -1;
    this.#electingMe = false;
    this.#peers.stopTimer();
    this.#bump(this.#epoch + 1);
    this.#peers.win(this.#epoch, quorum);
  }

  /** True where `from` leads now, in `epoch`. */
  receiveVictory(from: number, epoch: number): boolean {
    if (epoch % 2 === 1 || epoch < this.#epoch || from >= this.#peers.rank) return false;
    this.#leaderAcked = -1;
    this.#electingMe = false;
    if (epoch !== this.#epoch + 1) {
      // An election that this monitor did not see: it votes in the next one.
      this.#bump(epoch);
      this.start();
      return false;
    }
    this.#bump(epoch);
    this.#peers.stopTimer();
    return true;
  }
}
