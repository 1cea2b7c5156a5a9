/** How the OSD comes to be up: it takes its place in the CRUSH tree, has nearly the newest map, says who and where it is, and says it again until a map has it up. */
import { type Clock, errno, type Logger } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { MOSDBoot } from '../messages/index.ts';
import type { StoreStats } from '../store/index.ts';
import { CEPH_FEATURES_ALL, compareText, type OSDMap, type OsdSuperblock, osdMapFlag } from '../types/index.ts';
import type { OsdOptions, OsdState } from './osd.ts';
import type { OsdMaps } from './osd-maps.ts';
import { MAPS_PER_MESSAGE } from './peers.ts';

export interface BootHost {
  readonly whoami: number;
  readonly clock: Clock;
  readonly config: Config;
  readonly logger: Logger;
  readonly superblock: OsdSuperblock;
  readonly map: OSDMap;
  readonly maps: OsdMaps;
  state: OsdState;
  space(): StoreStats;
  log(level: number, text: string): void;
}

export class Boot {
  readonly #host: BootHost;
  readonly #o: Pick<OsdOptions, 'monClient' | 'messengers' | 'metadata' | 'crushLocation'>;
  /** Epoch of the map that had it up last. */
  bootEpoch = 0;
  #nextBoot_ms = Number.POSITIVE_INFINITY;
  #bootAsked = false;

  constructor(host: BootHost, options: OsdOptions) {
    this.#host = host;
    this.#o = options;
  }

  /** Registers with the monitors and takes its place in the CRUSH tree, as osd_crush_update_on_start asks. */
  async placeItself(): Promise<void> {
    const { crushLocation } = this.#o;
    const { whoami, superblock, config, logger } = this.#host;
    if (!config.bool('osd_crush_update_on_start') || crushLocation.length === 0) return;
    const weight = config.num('osd_crush_initial_weight');
    const { total } = this.#host.space();
    const tib = Math.max(0.00001, Math.round((total / 2 ** 40) * 1e5) / 1e5);
    const command = {
      prefix: 'osd crush create-or-move',
      id: whoami,
      weight: weight >= 0 ? weight : tib,
      args: crushLocation,
    };
    // One that has never seen a map is most likely new to the monitors.
    const isNew = superblock.newestMap === 0;
    const place = (): Promise<{ result: number; text: string }> => this.#o.monClient.command([JSON.stringify(command)]);
    let { result, text } = isNew ? { result: -errno.ENOENT, text: '' } : await place();
    if (result === -errno.ENOENT) {
      const made = await this.#o.monClient.command([
        JSON.stringify({ prefix: 'osd create', id: whoami, uuid: superblock.osdFsid }),
      ]);
      if (made.result < 0) throw new Error(`the monitor refuses osd.${whoami}: ${made.text}`);
      ({ result, text } = await place());
    }
    if (result < 0) logger.error('osd', `cannot place osd.${whoami} in the CRUSH tree: ${text}`);
    const deviceClass = config.str('osd_class_update_on_start') === 'false' ? '' : 'ssd';
    if (deviceClass !== '') {
      await this.#o.monClient.command([
        JSON.stringify({ prefix: 'osd crush set-device-class', class: deviceClass, ids: [String(whoami)] }),
      ]);
    }
  }

  /** Asks which maps there are; boots when it has nearly the newest. */
  ask(): void {
    if (this.#host.state !== 'preboot' && this.#host.state !== 'booting') return;
    if (this.#bootAsked) return;
    this.#bootAsked = true;
    this.#nextBoot_ms = this.#host.clock.monotonic() + 10_000;
    this.#o.monClient.getVersion('osdmap', (error, newest, oldest) => {
      this.#bootAsked = false;
      if (error !== 0) {
        this.#nextBoot_ms = this.#host.clock.monotonic() + 1000;
        return;
      }
      this.#preboot(newest, oldest);
    });
  }

  #preboot(newest: number, oldest: number): void {
    if (this.#host.state !== 'preboot' && this.#host.state !== 'booting') return;
    const { map } = this.#host;
    if (map.epoch === 0 || map.epoch < oldest - 1 || map.epoch + MAPS_PER_MESSAGE <= newest) {
      // Behind: maps come first.
      this.#nextBoot_ms = this.#host.clock.monotonic() + 1000;
      this.#o.monClient.subWant('osdmap', this.#host.maps.newest + 1);
      this.#o.monClient.renewSubs();
      return;
    }
    if ((map.flags & osdMapFlag.NOUP) !== 0 || map.isDestroyed(this.#host.whoami)) {
      this.#host.log(1, 'may not boot: noup or destroyed');
      this.#nextBoot_ms = this.#host.clock.monotonic() + 5000;
      return;
    }
    this.#sendBoot();
  }

  #sendBoot(): void {
    const m = this.#o.messengers;
    this.#host.state = 'booting';
    this.#host.log(1, `boots at ${m.public.addrs}`);
    const metadata = new Map([
      ...this.#o.metadata,
      ['front_addr', m.public.addrs.toString()],
      ['back_addr', m.cluster.addrs.toString()],
      ['hb_front_addr', m.heartbeatFront.addrs.toString()],
      ['hb_back_addr', m.heartbeatBack.addrs.toString()],
    ]);
    this.#o.monClient.send(
      MOSDBoot.encode({
        paxosVersion: this.#host.map.epoch,
        superblock: this.#host.superblock,
        hbBackAddrs: m.heartbeatBack.addrs,
        clusterAddrs: m.cluster.addrs,
        bootEpoch: this.bootEpoch,
        hbFrontAddrs: m.heartbeatFront.addrs,
        metadata: new Map([...metadata].sort((a, b) => compareText(a[0], b[0]))),
        features: CEPH_FEATURES_ALL,
      }),
    );
    this.#nextBoot_ms = this.#host.clock.monotonic() + 10_000;
  }

  /** A map has it up. */
  done(epoch: number): void {
    this.bootEpoch = epoch;
    this.#nextBoot_ms = Number.POSITIVE_INFINITY;
  }

  /** A map came that has it not up yet: soon again. */
  notYet(): void {
    this.#nextBoot_ms = Math.min(this.#nextBoot_ms, this.#host.clock.monotonic() + 3000);
  }

  tick(): void {
    if (this.#host.clock.monotonic() >= this.#nextBoot_ms) this.ask();
  }
}
