/** For tests and simulations of other folders. */
export { type DiskMachine, PowerLoss, TestDisk } from './disk.ts';
