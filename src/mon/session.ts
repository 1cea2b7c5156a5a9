import type { CommandArgs, MonCap } from '../auth/index.ts';
import type { Connection } from '../msgr/index.ts';
import {
  type AuthName,
  addrTypeName,
  dumpAddrVec,
  type EntityAddrVec,
  type EntityName,
  entityTypeName,
  type Formatter,
  formatAuthName,
  formatEntityName,
  releaseFromFeatures,
  releaseName,
} from '../types/index.ts';

/** A standing or one-time wish for versions of a map. */
export interface Subscription {
  /** First version that the peer lacks. */
  next: number;
  readonly onetime: boolean;
}

/** Subscriptions that one peer may hold; the names that mean something are far fewer. */
export const SUBSCRIPTIONS_MAX = 64;

/** One authenticated peer of this monitor, for as long as its connection lives. */
export class Session {
  readonly connection: Connection;
  /** Whose key it has. */
  readonly entity: AuthName;
  readonly globalId: bigint;
  readonly caps: MonCap;
  /** Clock.now() at its start. */
  readonly started_ms: number;
  readonly subscriptions = new Map<string, Subscription>();
  /** Newest OSD map epoch sent to it. */
  osdEpoch = 0;
  /** Where its subscription says it runs. */
  hostname = '';
  /** What it was sent last, by option; undefined before the first. */
  lastConfig: ReadonlyMap<string, string> | undefined;

  constructor(connection: Connection, entity: AuthName, globalId: bigint, caps: MonCap, started_ms: number) {
    this.connection = connection;
    this.entity = entity;
    this.globalId = globalId;
    this.caps = caps;
    this.started_ms = started_ms;
  }

  /** What it calls itself on the wire: `osd.0`, `client.4123`. */
  get name(): EntityName {
    return this.connection.peerName;
  }

  get addrs(): EntityAddrVec {
    return this.connection.peerAddrs;
  }

  get features(): bigint {
    return this.connection.peerFeatures;
  }

  /** Whether its caps allow an access (`r`, `w`, `x` in any combination) to a service's messages. */
  may(service: string, access: string): boolean {
    return this.mayRun(service, '', undefined, access);
  }

  /** As {@link may} for a command with its arguments. */
  mayRun(service: string, command: string, args: CommandArgs | undefined, access: string): boolean {
    return this.caps.isCapable({
      name: this.entity,
      addr: this.addrs.front,
      service,
      command,
      ...(args === undefined ? {} : { args }),
      read: access.includes('r'),
      write: access.includes('w'),
      exec: access.includes('x'),
    });
  }

  /** The fields of `ceph tell mon.a sessions`. */
  dump(f: Formatter): void {
    const { front } = this.addrs;
    f.string('name', formatEntityName(this.name));
    f.string('entity_name', formatAuthName(this.entity));
    dumpAddrVec(f, 'addrs', this.addrs);
    f.openObject('socket_addr');
    f.string('type', addrTypeName(front.type));
    f.string('addr', front.sockaddrText);
    f.int('nonce', front.nonce);
    f.close();
    f.string('con_type', entityTypeName(this.name.type));
    f.int('con_features', this.features);
    f.string('con_features_hex', this.features.toString(16));
    f.string('con_features_release', releaseName(releaseFromFeatures(this.features)));
    f.bool('open', true);
    f.openObject('caps');
    f.string('text', this.caps.toString());
    f.close();
    f.bool('authenticated', true);
    f.int('global_id', this.globalId);
    f.string('global_id_status', 'new_ok');
    f.int('osd_epoch', this.osdEpoch);
    f.string('remote_host', this.hostname);
  }
}
