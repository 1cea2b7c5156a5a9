import type { Logger } from '../base/index.ts';
import { DecodeError } from '../encoding/index.ts';
import { type IncomingParts, MOSDMap } from '../messages/index.ts';
import { decodeOSDMapIncremental, OSDMap } from '../types/index.ts';

/** Keeps the newest OSD map, from full maps and incrementals as the monitors send them. */
export class OsdMapFollower {
  #map: OSDMap | undefined;
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get map(): OSDMap | undefined {
    return this.#map;
  }

  /** The epoch to ask for next. */
  get next(): number {
    return this.#map === undefined ? 0 : this.#map.epoch + 1;
  }

  /**
   * Takes a message of maps. Returns what became of it: `newer` for a newer map, `same`, or `gap` where an epoch is missing or one was
   * broken, so that the full map must be asked for (subscribe from 0).
   */
  take(message: IncomingParts): 'newer' | 'same' | 'gap' {
    const { incrementals, fulls } = MOSDMap.decode(message);
    const last = Math.max(0, ...incrementals.keys(), ...fulls.keys());
    const before = this.#map?.epoch ?? 0;
    if (last <= before) return 'same';
    try {
      // The newest full map makes all before it needless.
      const full = Math.max(0, ...fulls.keys());
      if (full > before) this.#map = OSDMap.decode(fulls.get(full)!);
      for (let epoch = this.next; epoch <= last; epoch++) {
        const bytes = incrementals.get(epoch);
        if (bytes === undefined || this.#map === undefined) return 'gap';
        this.#map = this.#map.apply(decodeOSDMapIncremental(bytes));
      }
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
      this.#logger.error('mgr', `OSD map ${last} cannot be read: ${error.message}`);
      return 'gap';
    }
    return 'newer';
  }
}
