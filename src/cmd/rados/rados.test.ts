import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CEPH_NOSNAP, formatGhobject } from '../../types/index.ts';
import { BenchFigures, finalLines, Spread } from './bench-report.ts';
import {
  decodeSectionHeader,
  encodeSection,
  encodeSuper,
  exportedObject,
  HEADER_LENGTH,
  isFooter,
  sectionType,
} from './dump-format.ts';
import { parseIec, readNumbers, readWords } from './options.ts';
import { hexdump, printable, UsageExit } from './report.ts';

test('options anywhere, arguments in order', () => {
  const { flags, values, args } = readWords(['-p', 'x', 'put', '--object-size=4K', 'o', '-N', 'n', '--', '-t']);
  assert.deepEqual(args, ['put', 'o', '-t']);
  assert.equal(values.get('pool'), 'x');
  assert.equal(readNumbers(values).get('objectSize'), 4096);
  assert.equal(flags.size, 0);
  assert.throws(() => readWords(['-p']), /Option -p requires an argument/);
  // A quirk of Ceph's: what follows a value that begins with a dash is taken for a mistake.
  assert.throws(() => readWords(['-b', '-1', 'ls']), UsageExit);
});

test('numbers with units', () => {
  assert.deepEqual(['5', '4K', '4Ki', '5B', '+5'].map(parseIec), [5n, 4096n, 4096n, 5n, 5n]);
  for (const [text, why] of [
    ['', 'value not specified'],
    ['x', 'unit prefix not recognized'],
    ['4KiB', 'illegal prefix (length > 2)'],
    ['4Bi', 'illegal prefix "Bi"'],
    ['99999999999E', 'value seems to be too large'],
  ]) {
    assert.throws(() => parseIec(text!), { message: `strict_iecstrtoll: ${why}` });
  }
});

test('hexdump shows rows of one byte once', () => {
  assert.equal(hexdump(new Uint8Array(0)), '');
  assert.equal(
    hexdump(new Uint8Array([...new Uint8Array(48), 0x41])),
    '00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n' +
      '00000030  41                                                |A|\n00000031\n',
  );
  assert.equal(printable('a\u0001'), '(binary key)');
});

test('an export has sections', () => {
  assert.equal(Buffer.from(encodeSuper()).toString('hex'), 'ceffceff02000000120000000a000000');
  const [header, content, footer] = encodeSection(sectionType.DATA, new Uint8Array(3));
  assert.equal(header!.length, HEADER_LENGTH);
  assert.deepEqual(decodeSectionHeader(header!), { type: sectionType.DATA, length: 3 });
  assert.equal(content!.length, 3);
  assert.ok(isFooter(footer!));
  assert.equal(encodeSection(sectionType.POOL_END, undefined).length, 1);
  assert.match(formatGhobject(exportedObject('o', 'ns', '', CEPH_NOSNAP)), /:00000000:ns::o:head#$/);
});

test('the figures of a bench', () => {
  const spread = new Spread(100);
  for (const x of [2, 4, 4, 4, 5, 5, 7, 9]) spread.add(x);
  assert.equal(spread.mean, 5);
  assert.ok(Math.abs(spread.deviation - Math.sqrt(32 / 7)) < 1e-12);
  const lines = finalLines(new BenchFigures(4096, 4096), true, 2).split('\n');
  assert.equal(lines[0], 'Total time run:         2');
  assert.equal(lines[7], 'Min bandwidth (MB/sec): 1.79769e+308');
  assert.equal(finalLines(new BenchFigures(4096, 4096), false, 2).split('\n').length, 13);
});
