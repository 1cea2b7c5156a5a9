export { type AdminReply, serveAdminSocket } from './asok.ts';
export { systemClock } from './clock.ts';
export { installNativeCrc32c } from './crc.ts';
export { osDisk } from './disk.ts';
export { systemEntropy } from './entropy.ts';
export { describeFailure, openLmdb } from './kv.ts';
export { FileLogger, logStamp } from './log.ts';
export { tcpNetwork } from './network.ts';
export { Scope } from './scope.ts';
