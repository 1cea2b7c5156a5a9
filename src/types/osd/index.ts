export * from './eversion.ts';
export * from './hobject.ts';
export * from './locator.ts';
export * from './pgid.ts';
export * from './snapid.ts';
export * from './text-order.ts';
