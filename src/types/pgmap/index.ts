export * from './df.ts';
export * from './digest.ts';
export * from './rates.ts';
export * from './summary.ts';
