/** `ceph -w`: the status, and then the cluster log as it comes. `ceph ping`. */
import type { Rados } from '../../client/index.ts';
import { decodeFromBytes, string } from '../../encoding/index.ts';
import { MLog, MPing, messageTypeNumber } from '../../messages/index.ts';
import type { ReceivedMessage } from '../../msgr/index.ts';
import { systemClock } from '../../runtime/index.ts';
import { clogType, entityType, formatAuthName, formatUtime, type LogEntry } from '../../types/index.ts';

const LEVEL_NAMES: ReadonlyMap<number, string> = new Map([
  [clogType.DEBUG, '[DBG]'],
  [clogType.INFO, '[INF]'],
  [clogType.SEC, '[SEC]'],
  [clogType.WARN, '[WRN]'],
  [clogType.ERROR, '[ERR]'],
]);

function logLineOf({ stamp, name, prio, msg }: LogEntry): string {
  return `${formatUtime(stamp)} ${formatAuthName(name)} ${LEVEL_NAMES.get(prio) ?? '[???]'} ${msg}`;
}

/** Subscribes to the cluster log from now on. `level`: debug, info, sec, warn, error. */
export function followClusterLog(rados: Rados, level: string, onEntry: (line: string, channel: string) => void): void {
  const what = `log-${level}`;
  let last = 0;
  rados.messenger.addDispatcher({
    handleMessage(message: ReceivedMessage): unknown {
      if (message.type !== messageTypeNumber.LOG) return false;
      try {
        const { paxosVersion, entries } = MLog.decode(message);
        if (paxosVersion > last) {
          last = paxosVersion;
          for (const entry of entries) onEntry(logLineOf(entry), entry.channel);
          rados.monClient.subGot(what, last);
        }
      } finally {
        message.release();
      }
      return true;
    },
  });
  rados.monClient.subWant(what, 0);
  rados.monClient.renewSubs();
}

/** Milliseconds for a monitor to answer a ping. */
const PING_TIMEOUT_MS = 5000;

/** What a monitor says of itself, asked directly; undefined where it does not answer. ENOENT where there is no such monitor. */
export function pingMonitor(rados: Rados, name: string): Promise<string | undefined> {
  const info = rados.monClient.monMap.mon(name);
  if (info === undefined) return Promise.reject(Object.assign(new Error(`no monitor ${name}`), { errno: 2 }));
  return new Promise((resolve) => {
    const connection = rados.messenger.connect(entityType.MON, info.addrs, { anonymous: true });
    const timer = systemClock.setTimer(PING_TIMEOUT_MS, () => finish(undefined));
    const finish = (text: string | undefined): void => {
      systemClock.clearTimer(timer);
      connection.markDown();
      resolve(text);
    };
    rados.messenger.addDispatcher({
      handleMessage(message: ReceivedMessage): unknown {
        if (message.type !== messageTypeNumber.PING || message.connection !== connection) return false;
        try {
          finish(decodeFromBytes(string, MPing.decode(message).payload));
        } finally {
          message.release();
        }
        return true;
      },
    });
    connection.send(MPing.encode({}));
  });
}
