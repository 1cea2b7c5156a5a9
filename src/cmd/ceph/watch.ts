/** `ceph -w`: the status, and then the cluster log as it comes. `ceph ping`. */
import type { TimerHandle } from '../../base/index.ts';
import type { Rados } from '../../client/index.ts';
import { decodeFromBytes, string } from '../../encoding/index.ts';
import { MLog, MPing, messageTypeNumber } from '../../messages/index.ts';
import type { ReceivedMessage } from '../../msgr/index.ts';
import { systemClock } from '../../runtime/index.ts';
import { clogType, formatAuthName, formatUtime, type LogEntry } from '../../types/index.ts';

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

/**
 * What a monitor says of itself, asked directly: `lone` is a handle that knows that monitor only and is not connected yet. Undefined where it does not
 * answer.
 */
export async function pingMonitor(lone: Rados): Promise<string | undefined> {
  let timer: TimerHandle | undefined;
  try {
    const answer = new Promise<string>((resolve) => {
      lone.messenger.addDispatcher({
        handleMessage(message: ReceivedMessage): unknown {
          if (message.type !== messageTypeNumber.PING) return false;
          try {
            resolve(decodeFromBytes(string, MPing.decode(message).payload));
          } finally {
            message.release();
          }
          return true;
        },
      });
    });
    await lone.monClient.authenticate(PING_TIMEOUT_MS);
    lone.monClient.send(MPing.encode({}));
    const late = new Promise<undefined>((resolve) => {
      timer = systemClock.setTimer(PING_TIMEOUT_MS, () => resolve(undefined));
    });
    return await Promise.race([answer, late]);
  } catch {
    return undefined;
  } finally {
    if (timer !== undefined) systemClock.clearTimer(timer);
    lone.shutdown();
  }
}
