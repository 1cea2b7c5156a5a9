export * from './api.ts';
export { MonClient, type MonClientOptions } from './mon-client.ts';
export { initialMonMap, parseMonHost } from './mon-host.ts';
