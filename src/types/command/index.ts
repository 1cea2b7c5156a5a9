export * from './args.ts';
export * from './spec.ts';
