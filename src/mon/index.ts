export type { AdminReply } from './admin.ts';
export { isMade, mkfs } from './mkfs.ts';
export { Monitor, type MonitorOptions } from './monitor.ts';
