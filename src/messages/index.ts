export * from './m-osd-op.ts';
export * from './m-osd-op-reply.ts';
export * from './m-osd-rep-op.ts';
export * from './message.ts';
export * from './osd-op.ts';
export * from './osd-op-codes.ts';
export * from './type-numbers.ts';
