export * from './dump.ts';
export * from './fs-map.ts';
export * from './mds-map.ts';
