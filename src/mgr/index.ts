export { MgrDaemon, type MgrDaemonOptions } from './daemon.ts';
