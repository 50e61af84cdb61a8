// The worked examples of SPEC §16, read from SPEC.md itself.  node --test tests/second_verifier/
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { hash, hex, tagged, u64, u8 } from './base.mjs';
import { key, keyset, multiproof, pae, prefixTree, rootOf, seed, statusProof, vkeyOf } from './builder.mjs';
import { keyHolds, signatureHolds } from './ed25519.mjs';
import { checkMultiproof, checkStatusProof, leafHash, nodeHash } from './merkle.mjs';
import { decode, encode } from './msgpack.mjs';
import { checkCheckpoint, parseCheckpoint, parseVkey, vkeyHolds } from './note.mjs';
import { parseRecord } from './records.mjs';
import { keysetDigest, parseEntry, topicsOf } from './schema.mjs';

const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
const examples = spec.slice(spec.indexOf('<!-- examples: begin -->'));
// The lines of hex under the line that begins so.
function block(label) {
  const lines = examples.slice(examples.indexOf(`\n${label}`) + 1).split('\n').slice(1);
  return Buffer.from(lines.slice(0, lines.findIndex((x) => !/^ {2}[0-9a-f]+$/.test(x))).join('').replaceAll(' ', ''), 'hex');
}
const value = (label, from = '') => {
  const rest = examples.slice(from ? examples.indexOf(from) : 0);
  return Buffer.from(new RegExp(`${label.replace(/[+()]/g, '\\$&')}[^\n]*= ([0-9a-f]+)`).exec(rest)[1], 'hex');
};
const logId = value('log id');
const bytes = (...parts) => Buffer.concat(parts.map((p) => (typeof p === 'string' ? Buffer.from(p.replaceAll(' ', ''), 'hex') : p)));

test('keyset, log, genesis (SPEC §16.1)', () => {
  assert.deepEqual(key('alice').open, value('public key "alice"'));
  assert.equal(hex(seed('x')), hex(hash('test seed x')));
  assert.deepEqual(encode(keyset('alice')), block('keyset of "alice"'));
  assert.deepEqual(keysetDigest(decode(block('keyset of "alice"'))), value('keyset digest'));
  const vkey = parseVkey(vkeyOf('log'));
  assert.ok(examples.includes(`\nvkey = ${vkey.text}\n`) && vkeyHolds(vkey));
  assert.deepEqual(tagged('log', vkey.text), logId);
  const payload = block('payload of the genesis'), signature = value('signature', 'PAE =');
  assert.deepEqual(hash(pae(payload)), value('; H(PAE)'));
  assert.ok(signatureHolds(key('operator').open, pae(payload), signature));
  const entry = bytes('92 c5 015b', payload, '91 93 00 00 c4 40', signature);
  assert.deepEqual(leafHash(entry), value('leaf hash of entry 0'));
  const genesis = parseEntry(entry, logId);
  assert.deepEqual(genesis.id, value("statement id = the operator's identity"));
  assert.deepEqual(topicsOf(genesis), [[1, genesis.id], [6, logId]]);
});

test('enrolment, delegation, state (SPEC §16.2)', () => {
  assert.deepEqual(tagged('statement', block('payload: enrol "alice"')), value('identity', '16.2'));
  assert.deepEqual(tagged('statement', block('payload: delegate')), value('statement id', 'payload: delegate'));
  const state = block('entry 5, a state');
  assert.equal(parseEntry(state, logId).body.time, 1002000);
  assert.deepEqual(leafHash(state), value('leaf hash', 'entry 5'));
});

test('records (SPEC §16.3)', () => {
  for (const form of ['raw', 'jcs', 'sealed', 'rows', 'manifest']) {
    const label = `record of form ${form}`, raw = block(label);
    assert.deepEqual(leafHash(raw), value('artifact id', label));
    const record = parseRecord(raw);
    assert.equal(record.form, form);
    assert.deepEqual(encode(record), raw);
  }
  const rows = parseRecord(block('record of form rows'));
  assert.deepEqual(rows.content, rootOf(['first', 'second', 'third'].map((x) => leafHash(hash(x)))));
  const sealed = parseRecord(block('record of form sealed'));
  assert.deepEqual(sealed.content, tagged('sealed', sealed.maker, hash('test salt'), 'a secret recipe'));
});

test('a statement over two records (SPEC §16.4)', () => {
  const ids = ['raw', 'jcs'].map((form) => leafHash(block(`record of form ${form}`))), entry = block('entry 6 (324');
  assert.deepEqual(nodeHash(...ids), value('root of both'));
  assert.deepEqual(leafHash(entry), value('leaf hash', 'entry 6 (324'));
  const statement = parseEntry(entry, logId);
  assert.deepEqual(statement.id, value('statement id', '16.4'));
  assert.ok(signatureHolds(key('alice').open, pae(statement.raw), statement.signatures[0][2]));
});

test('status map (SPEC §16.5)', () => {
  const part = '16.5', topic = value('topic key', part), link = value('chain link', part), chain = value('chain value', part);
  assert.deepEqual(tagged('topic', u8(1), value('identity', '16.2')), topic);
  assert.deepEqual(tagged('chain-value', u64(1), link), chain);
  const pair = 'The same of her pair', other = [value('topic key', pair), value('chain value', pair)], root = value('root', pair);
  const tree = prefixTree([other, [topic, chain]]), absent = value('an absent key');
  assert.deepEqual(tree.hash, root);
  const order = (keys) => keys.sort((a, b) => Buffer.compare(a[0], b[0]));
  for (const wanted of [[[topic, chain]], [[absent, null]], [other, [topic, chain]], [[topic, chain], [absent, null]]]) {
    checkStatusProof(statusProof(tree, order(wanted).map((w) => w[0])), wanted, root);
  }
  const wanted = order([other, [topic, chain], [absent, null]]), proof = statusProof(tree, wanted.map((w) => w[0]));
  assert.deepEqual(proof, block('status proof (4 bytes)'));
  assert.deepEqual(statusProof(tree, [absent]), block('status proof of absence'));
  checkStatusProof(proof, wanted, root);
  const lies = [[[topic, null]], [[topic, chain], [absent, chain]], [[topic, other[1]]]];
  for (const lie of lies) assert.throws(() => checkStatusProof(statusProof(tree, order(lie).map((w) => w[0])), lie, root), { code: 'status-invalid' });
});

test('checkpoint and multiproof (SPEC §16.6, §16.7)', () => {
  const from = examples.indexOf('log.example/test\n8\n'), text = examples.slice(from, examples.indexOf('\n\nReceipt of'));
  checkCheckpoint(parseCheckpoint(Buffer.from(`${text}\n`)), parseVkey(vkeyOf('log')));
  const leaves = ['a', 'b', 'c', 'd', 'e'].map((x) => leafHash(x)), proof = multiproof(leaves, [1, 4]);
  assert.deepEqual(proof[0], value('proof', '16.7'));
  checkMultiproof(5, [[1, leaves[1]], [4, leaves[4]]], proof, value('root', '16.7'));
});

test('statements of fold 2 are well-formed (SPEC §16.8, §16.9)', () => {
  const rotate = block('entry 6: its one signature');
  assert.equal(parseEntry(rotate, logId).type, 'rotate');
  for (const label of ['payload: recover', 'payload: rules', 'payload: notice']) {
    const entry = encode([block(label), [[0, 0, Buffer.alloc(64, 1)]]]);
    assert.ok(parseEntry(entry, logId).body);
  }
  assert.deepEqual(tagged('topic', u8(5), value("the work's artifact id")), value("topic key of the work's notices"));
});

test('the Ed25519 rule (SPEC §6.1)', () => {
  const A = key('alice').open, m = Buffer.from('m'), s = key('alice').sign(m), L = 2n ** 252n + 27742317777372353535851937790883648493n;
  assert.ok(signatureHolds(A, m, s) && keyHolds(A));
  const little = (n) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse();
  const high = Buffer.concat([s.subarray(0, 32), little(BigInt('0x' + hex(Buffer.from(s.subarray(32)).reverse())) + L)]);
  assert.ok(!signatureHolds(A, m, high), 'S is not below L');
  const P = 2n ** 255n - 19n, small = [1n, P - 1n, 0n, P, P + 1n].map(little);
  small.push(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'), Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex'));
  for (const bad of small) {
    const signed = Buffer.from(bad);
    signed[31] |= 0x80;
    for (const x of [bad, signed]) {
      assert.ok(!keyHolds(x));
      assert.ok(!signatureHolds(x, m, Buffer.concat([x, Buffer.alloc(32)])), 'a key of small order signs everything');
    }
  }
  // Two points of the curve that are of mixed order.
  for (const x of ['cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d', '10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f']) {
    assert.ok(!keyHolds(Buffer.from(x, 'hex')));
  }
});

test('canonical msgpack (SPEC §3)', () => {
  const refused = ['c0', 'c2', 'ca00000000', 'd400', 'cc7f', 'cd00ff', 'ce0000ffff', 'cf00000000ffffffff', 'cf0020000000000000', 'd0e0', 'd07f', 'd1ff80',
    '90', '80', 'a0', 'c400', 'd90161', 'c5000100', 'dc000101', 'de0001a16101', 'a1ff', 'a3eda080', '82a16201a16101', '82a16101a16101', '810101', '0101', '91',
    'dd00000001', 'dfffffffff', 'c6ffffffff', '919191919191919191', '91919191919191919101', 'd3ffe0000000000000', 'a2c080'];
  for (const x of refused) assert.throws(() => decode(Buffer.from(x, 'hex')), { code: 'not-canonical' }, x);
  const taken = ['00', '7f', 'cc80', 'cd0100', 'ce00010000', 'cf0000000100000000', 'cf001fffffffffffff', 'ff', 'e0', 'd0df', 'd1ff7f', 'd3ffe0000000000001', 'a161', 'c40100',
    '919191919191919101', 'a4f09f9880', '82a16101a1625a'];
  for (const x of taken) assert.doesNotThrow(() => decode(Buffer.from(x, 'hex')), x);
  assert.throws(() => decode(Buffer.from('dc0201' + '01'.repeat(513), 'hex')), { code: 'not-canonical' });
  assert.deepEqual({ ...decode(Buffer.from('81a7706172656e747390', 'hex'), 'parents') }, { parents: [] });
  assert.throws(() => decode(Buffer.from('81a16181a7706172656e747390', 'hex'), 'parents'), { code: 'not-canonical' });
});
