import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArgumentError, makeArgType, parseDaemonName } from './arg-types.ts';
import { fitNumber } from './daemonperf.ts';
import { completions, wrapText } from './help.ts';
import { matchCommand, readBeginning, readCommand } from './match.ts';
import { OptionsError, parseOptions } from './options.ts';
import { PyFloat, pyFloatText, pyInt, pyJson, pyRepr, pyReprList, shellWords } from './python.ts';
import { parseDescriptions, parseSignature, usageLine } from './signature.ts';

const COMMANDS = parseDescriptions(
  JSON.stringify({
    cmd001: {
      sig: ['osd', 'tree', { name: 'epoch', type: 'CephInt', req: 'false', range: '0' }],
      help: 'tree',
      flags: 0,
    },
    cmd002: {
      sig: [
        'osd',
        'pool',
        'get',
        { name: 'pool', type: 'CephPoolname' },
        { name: 'var', type: 'CephChoices', strings: 'size|pg_num' },
      ],
      help: 'get',
      flags: 0,
    },
    cmd003: {
      sig: [
        'osd',
        'down',
        { name: 'ids', type: 'CephString', n: 'N' },
        { name: 'definitely_dead', type: 'CephBool', req: 'false' },
      ],
      help: 'down',
      flags: 0,
    },
    cmd004: { sig: ['pg', 'stat'], help: 'stat', flags: 8 },
    cmd005: { sig: ['old'], help: 'gone', flags: 2 },
    cmd006: {
      sig: [
        'config',
        'set',
        { name: 'who', type: 'CephString' },
        { name: 'value', type: 'CephFloat', range: '0.0|1.0' },
      ],
      help: 'set',
      flags: 0,
    },
  }),
);

/** What is written to stderr meanwhile. */
function said(work: () => unknown): string {
  let text = '';
  const { write } = process.stderr;
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += String(chunk);
    return true;
  };
  try {
    work();
  } finally {
    process.stderr.write = write;
  }
  return text;
}

test('words become values by a signature', () => {
  assert.deepEqual(matchCommand(COMMANDS, ['osd', 'tree', '0x10']), { prefix: 'osd tree', epoch: 16 });
  assert.deepEqual(matchCommand(COMMANDS, ['osd', 'pool', 'get', 'p', '--var=size']), {
    prefix: 'osd pool get',
    pool: 'p',
    var: 'size',
  });
  assert.deepEqual(matchCommand(COMMANDS, ['osd', 'down', '1', '2', '--definitely-dead']), {
    prefix: 'osd down',
    ids: ['1', '2'],
    definitely_dead: true,
  });
  assert.deepEqual(matchCommand(COMMANDS, ['pg', 'stat']), { prefix: 'pg stat', target: ['mon-mgr', ''] });
});

test('what is wrong is said as Ceph says it', () => {
  const wrong = (...words: string[]): string => said(() => assert.equal(matchCommand(COMMANDS, words), undefined));
  assert.equal(
    wrong('osd', 'pool', 'get', 'p', 'nope'),
    'Invalid command: nope not in size|pg_num\nosd pool get <pool> size|pg_num :  get\n',
  );
  assert.match(wrong('osd', 'pool', 'get'), /^Invalid command: missing required parameter pool\(<poolname>\)\n/);
  assert.match(wrong('config', 'set', 'x', '2'), /2\.0 not in range \[0\.0, 1\.0\]/);
  assert.match(wrong('osd', 'tree', '1', 'more'), /unused arguments: \['more'\]/);
  assert.match(wrong('osd', 'down'), /saw 0 of ids\(<string>\)\.\.\., expected at least 1/);
  assert.match(wrong('pg', 'stat', '--foo'), /unused arguments: \['--foo'\]/);
  assert.match(wrong('nothing'), /^no valid command found; 5 closest matches:\n/);
  assert.doesNotMatch(wrong('ol'), /old/);
});

test('the beginning of a command', () => {
  const tell = parseSignature(['tell', { name: 'target', type: 'CephName' }]);
  assert.deepEqual(readBeginning(['tell', 'osd.1', 'version'], tell), { prefix: 'tell', target: 'osd.1' });
  assert.deepEqual(readBeginning(['osd', 'tree'], tell), {});
  assert.throws(() => readCommand(['tell', 'osd.x'], tell), ArgumentError);
  assert.deepEqual(parseDaemonName('osd.*'), { type: 'osd', id: '*' });
  assert.equal(usageLine(tell), 'tell <type.id>');
});

test('types refuse what they do not take', () => {
  const refuses = (type: string, word: string, text: RegExp, attributes = {}): void =>
    assert.throws(() => makeArgType(type, attributes).parse(word, false), { message: text });
  refuses('CephPgid', '1', /^pgid has no \.$/);
  refuses('CephPgid', '1.zz', /^pgnum zz not hex integer$/);
  refuses('CephOsdName', '-1', /^osd id -1 is less than 0$/);
  refuses('CephIPAddr', '1.2.3', /^1\.2\.3: invalid IPv4 address$/);
  refuses('CephEntityAddr', '1.2.3.4:0/x', /nonce x not integer > 0$/);
  refuses('CephUUID', 'x', /^invalid UUID x: badly formed/);
  refuses('CephString', 'a b', /^invalid chars {3}in a b$/, { goodchars: '[A-Za-z]' });
  refuses('CephInt', '010', /^010 doesn't represent an int$/);
  assert.equal(makeArgType('CephEntityAddr', {}).parse('v2:[::1]:3300/5', false), 'v2:[::1]:3300/5');
});

test("options as argparse's", () => {
  const { options, rest } = parseOptions(['osd', '-fjson', 'tree', '-1', '--conn', '5', '--pool=x', '-sw', '--', '-f']);
  assert.deepEqual(rest, ['osd', 'tree', '-1', '--pool=x', '--', '-f']);
  assert.equal(options.format, 'json');
  assert.equal(options.connectTimeout, 5);
  assert.ok(options.status && options.watch);
  const refuses = (text: RegExp, ...words: string[]): void =>
    assert.throws(
      () => parseOptions(words),
      (e) => e instanceof OptionsError && text.test(e.message),
    );
  refuses(/ambiguous option: --con could match --conf, --concise, --connect-timeout/, '--con', 'x');
  refuses(/argument -f\/--format: invalid choice: 'x'/, '-f', 'x');
  refuses(/argument -i\/--in-file: expected one argument/, '-i', '-o');
});

test("Python's texts", () => {
  assert.equal(pyRepr("it's"), '"it\'s"');
  assert.equal(pyReprList(['a', 'b\n']), "['a', 'b\\n']");
  assert.equal(
    pyJson({ prefix: 'x', n: [1, new PyFloat(2)], b: true, u: 'ü' }),
    '{"prefix": "x", "n": [1, 2.0], "b": true, "u": "\\u00fc"}',
  );
  assert.deepEqual(['1', '-0x10', '1_000', '08', '', '18446744073709551615'].map(pyInt), [
    1,
    -16,
    1000,
    undefined,
    undefined,
    18446744073709551615n,
  ]);
  assert.deepEqual([0.5, 1, 1e20, 1e-7].map(pyFloatText), ['0.5', '1.0', '1e+20', '1e-07']);
  assert.deepEqual(shellWords(`osd pool 'get it' "a\\"b" c\\ d`), ['osd', 'pool', 'get it', 'a"b', 'c d']);
  assert.throws(() => shellWords("'x"), /No closing quotation/);
});

test('help and completion', () => {
  assert.deepEqual(wrapText('long string long string', 12).length, 2);
  assert.deepEqual(completions(COMMANDS, ['osd', '']), ['down', 'pool', 'tree']);
  assert.deepEqual(completions(COMMANDS, ['osd', 'pool', 'get', 'p', 's']), []);
  assert.equal(fitNumber(1234567, 5, false), '1234k');
  assert.equal(fitNumber(12, 4, false), ' 12 ');
});
