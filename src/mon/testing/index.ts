export { countingEntropy, MonitorBench } from './bench.ts';
export { FakeConnection, fakeSession, ManualClock } from './fakes.ts';
