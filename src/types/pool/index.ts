export * from './dump.ts';
export * from './hit-set.ts';
export * from './merge-meta.ts';
export * from './opts.ts';
export * from './pg-pool.ts';
