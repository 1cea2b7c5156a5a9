export type { AdminReply } from './admin.ts';
export { isMade, Monitor, type MonitorOptions, mkfs } from './monitor.ts';
