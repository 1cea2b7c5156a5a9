import { type Entropy, errno } from '../../base/index.ts';
import type { Reader } from '../../encoding/index.ts';
import { utimeIsZero, utimeToMs } from '../../types/index.ts';
import type { CryptoKey } from '../crypto.ts';
import { AuthError } from '../error.ts';
import { Authorizer } from './authorizer.ts';
import { noTicket, readTickets, type TicketBlob } from './protocol.ts';

/** A ticket held for one service. Times are wall time of this side in ms; 0: no limit. */
interface HeldTicket {
  readonly sessionKey: CryptoKey;
  readonly ticket: TicketBlob;
  readonly renewAfter_ms: number;
  readonly expires_ms: number;
  /** False once it must not count any more; it still proves who owns the global id. */
  isValid: boolean;
}

/** A client's tickets, by service (an entity type each). */
export class TicketManager {
  readonly #entropy: Entropy;
  readonly #tickets = new Map<number, HeldTicket>();
  globalId = 0n;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** Services of mask `want` for which there is no ticket, or one that wants renewal. */
  needed(want: number, now_ms: number): number {
    let need = 0;
    for (let service = 1; service <= want; service <<= 1) {
      if ((want & service) === 0) continue;
      const held = this.#tickets.get(service);
      if (held === undefined || !held.isValid || (held.expires_ms !== 0 && now_ms >= held.renewAfter_ms))
        need |= service;
    }
    return need;
  }

  /** Whether an unexpired ticket for the service is held. */
  has(service: number, now_ms: number): boolean {
    const held = this.#tickets.get(service);
    return held?.isValid === true && (held.expires_ms === 0 || now_ms < held.expires_ms);
  }

  sessionKey(service: number): CryptoKey | undefined {
    return this.#tickets.get(service)?.sessionKey;
  }

  ticket(service: number): TicketBlob {
    return this.#tickets.get(service)?.ticket ?? noTicket;
  }

  /** Takes over all tickets of another: a new exchange that goes on with the same global id. */
  copyFrom(other: TicketManager): void {
    for (const [service, held] of other.#tickets) this.#tickets.set(service, { ...held });
  }

  invalidate(service: number): void {
    const held = this.#tickets.get(service);
    if (held !== undefined) held.isValid = false;
  }

  /** Takes the tickets of a reply. AuthError where one cannot be opened; those before it are kept. */
  receive(r: Reader, principalSecret: CryptoKey, now_ms: number): void {
    for (const t of readTickets(r, principalSecret, (service) => this.#tickets.get(service)?.sessionKey)) {
      const isLimited = !utimeIsZero(t.validity);
      const expires_ms = isLimited ? now_ms + utimeToMs(t.validity) : 0;
      this.#tickets.set(t.serviceId, {
        sessionKey: t.sessionKey,
        ticket: t.ticket,
        expires_ms,
        renewAfter_ms: isLimited ? expires_ms - (t.validity.sec * 1000) / 4 : 0,
        isValid: true,
      });
    }
  }

  /** EACCES where no ticket for the service is held. */
  authorizer(service: number): Authorizer {
    const held = this.#tickets.get(service);
    if (held === undefined) throw new AuthError(errno.EACCES, `no ticket for service ${service}`);
    return new Authorizer(this.globalId, service, held.ticket, held.sessionKey, this.#entropy);
  }

  /** The next moment a ticket of `want` wants renewal, in wall ms; undefined where none ever does. */
  nextRenewal_ms(want: number): number | undefined {
    let next: number | undefined;
    for (const [service, held] of this.#tickets) {
      if ((want & service) === 0 || held.expires_ms === 0) continue;
      if (next === undefined || held.renewAfter_ms < next) next = held.renewAfter_ms;
    }
    return next;
  }
}
