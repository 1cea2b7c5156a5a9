import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCommand, validateArgs } from './args.ts';
import { describeCommands, FLAG_TELL, parseSignature } from './spec.ts';
import { monCommands } from './table.ts';

function spec(prefix: string) {
  return monCommands.find((c) => c.prefix === prefix)!;
}

describe('command signatures', () => {
  it('are read from their short form', () => {
    assert.deepEqual(parseSignature('name:String{[A-Za-z0-9-_.]} args?*:String ratio:Float[0.0|1.0]'), [
      { name: 'name', type: 'CephString', required: true, many: false, goodchars: '[A-Za-z0-9-_.]' },
      { name: 'args', type: 'CephString', required: false, many: true },
      { name: 'ratio', type: 'CephFloat', required: true, many: false, range: '0.0|1.0' },
    ]);
  });

  it('are described as the ceph program reads them', () => {
    const text = describeCommands([spec('osd pool create'), spec('version')]);
    const all = JSON.parse(text);
    assert.deepEqual(all.cmd000.sig.slice(0, 5), [
      'osd',
      'pool',
      'create',
      { name: 'pool', type: 'CephPoolname' },
      { name: 'pg_num', range: '0', req: 'false', type: 'CephInt' },
    ]);
    assert.equal(all.cmd001.flags, FLAG_TELL);
  });

  it('shows booleans as choices to clients older than CephBool', () => {
    const all = JSON.parse(describeCommands([spec('osd lost')], false));
    assert.deepEqual(all.cmd000.sig.at(-1), {
      name: 'yes_i_really_mean_it',
      req: 'false',
      strings: '--yes-i-really-mean-it',
      type: 'CephChoices',
    });
  });
});

describe('command arguments', () => {
  const check = (prefix: string, given: Record<string, unknown>) => validateArgs(spec(prefix), given);

  it('come out typed', () => {
    const args = check('osd pool create', { pool: 'p', pg_num: 8, size: '2', bulk: true });
    assert.equal(args.str('pool'), 'p');
    assert.equal(args.num('pg_num'), 8);
    assert.equal(args.num('size'), 2);
    assert.equal(args.flag('bulk'), true);
    assert.equal(args.optionalNum('pgp_num'), undefined);
  });

  it('are refused when wrong', () => {
    assert.throws(() => check('osd pool create', {}), /missing required argument 'pool'/);
    assert.throws(() => check('osd pool create', { pool: 'p', pg_num: -1 }), /not in range 0/);
    assert.throws(() => check('osd pool create', { pool: 'p', pg_num: 'x' }), /not a number/);
    assert.throws(() => check('osd reweight', { id: 0, weight: 1.5 }), /not in range/);
    assert.throws(() => check('osd set', { key: 'nothing' }), /not one of/);
    assert.throws(() => check('pg map', { pgid: 'x.1' }), /not a placement group/);
    assert.throws(() => check('osd crush rule rm', { name: 'a b' }), /characters outside/);
    assert.throws(() => check('osd new', { uuid: 'zz' }), /not a UUID/);
    assert.throws(() => check('osd find', { id: {} }), /not an OSD id/);
  });

  it('take lists, and one value for a list', () => {
    assert.deepEqual(check('osd out', { ids: ['0', '1'] }).list('ids'), ['0', '1']);
    assert.deepEqual(check('osd out', { ids: '0' }).list('ids'), ['0']);
  });

  it('never meet what is not JSON', () => {
    assert.throws(() => parseCommand('{"prefix":'), /unparseable JSON/);
    assert.throws(() => parseCommand('[1]'), /not a JSON object/);
    assert.throws(() => parseCommand('{"a":1}'), /prefix not found/);
    assert.throws(() => parseCommand('{"prefix":""}'), /must not be empty/);
  });
});
