/** Class `hello`: the sample that Ceph's documentation tells authors of classes to begin with (cls/hello). Clients' test suites call it. */
import { Buffer } from 'node:buffer';
import { errno } from '../../base/index.ts';
import { encodeText } from '../../encoding/index.ts';
import { addrType, EntityAddr } from '../../types/index.ts';
import type { OpContext } from '../ops/context.ts';
import { origin } from './lock.ts';
import { CHANGES, type ClassMethods, done, READS, WRITES } from './method.ts';
import { readData, setXattr, statObject, writeFull } from './object.ts';

const INPUT_MAX = 100;
const READ_MAX = 1100;

function greeting(input: Uint8Array): Uint8Array {
  const whom = input.length === 0 ? encodeText('world') : input;
  return Buffer.concat([encodeText('Hello, '), whom, encodeText('!')]);
}

/** Leaves the caller's name and address in an xattr. */
function sign(ctx: OpContext, attr: string): number {
  const { who, addr } = origin(ctx);
  const plain = new EntityAddr({ ...addr, type: addrType.ANY });
  const type = ['', 'mon', 'mds', '', 'osd', '', '', '', 'client'][who.type] ?? '';
  return setXattr(ctx, attr, encodeText(`${type}.${who.num} ${plain}`));
}

function upperCase(data: Uint8Array): Uint8Array {
  return data.map((c) => (c >= 0x61 && c <= 0x7a ? c - 0x20 : c));
}

function writeAndReturn(ctx: OpContext, input: Uint8Array): ReturnType<ClassMethods[string]['run']> {
  const result = setXattr(ctx, 'foo', encodeText('bar'));
  if (result < 0) return result;
  if (input.length > 0) return { result: -errno.EINVAL, data: encodeText('too much input data!') };
  return { result: 42, data: encodeText('you might see this') };
}

export const helloClass: ClassMethods = {
  say_hello: { ...READS, run: (_ctx, input) => (input.length > INPUT_MAX ? -errno.EINVAL : greeting(input)) },
  record_hello: {
    ...WRITES,
    run(ctx, input) {
      if (input.length > INPUT_MAX) return -errno.EINVAL;
      if (statObject(ctx) === 0) return -errno.EEXIST;
      const result = writeFull(ctx, greeting(input));
      return done(result < 0 ? result : sign(ctx, 'said_by'));
    },
  },
  write_return_data: { ...WRITES, run: writeAndReturn },
  writes_dont_return_data: { ...WRITES, run: writeAndReturn },
  write_too_much_return_data: {
    ...WRITES,
    run(ctx) {
      const result = setXattr(ctx, 'foo', encodeText('bar'));
      if (result < 0) return result;
      return { result: 42, data: encodeText('you should not see this because it is toooooo long. '.repeat(10)) };
    },
  },
  replay: { ...READS, run: (ctx) => readData(ctx, 0, READ_MAX) },
  turn_it_to_11: {
    ...CHANGES,
    run(ctx, input) {
      if (input.length !== 0) return -errno.EINVAL;
      const before = readData(ctx, 0, READ_MAX);
      if (typeof before === 'number') return before;
      const result = writeFull(ctx, upperCase(before));
      return done(result < 0 ? result : sign(ctx, 'amplified_by'));
    },
  },
  // These two do what their kind forbids.
  bad_reader: { ...WRITES, run: (ctx) => readData(ctx, 0, INPUT_MAX) },
  bad_writer: { ...READS, run: (ctx, input) => done(writeFull(ctx, input)) },
};
