// Files made by the tiny ledger of builder.mjs, and what this verifier says of them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { WEEK_MS, hash, hex, tagged } from './base.mjs';
import { Ledger, digestOf, key, keyset, note, pae, record, rootOf } from './builder.mjs';
import { leafHash as leaf } from './merkle.mjs';
import { encode } from './msgpack.mjs';
import { parseVkey } from './note.mjs';
import { verify as verifyBytes } from './verify.mjs';

const T = 1_000_000;
const verify = (ledger, file) => verifyBytes(file, parseVkey(ledger.vkey));
const first = (ledger, subjects, options) => {
  const answer = verify(ledger, ledger.prove(subjects, options));
  assert.ok(answer.valid, answer.why);
  return answer.subjects[0];
};
const says = (got, presence, status, standing, level) =>
  assert.deepEqual([got.presence, got.status, got.standing, got.level], [presence, status, standing, level]);

function begin() {
  const ledger = new Ledger();
  ledger.state(T);
  ledger.enrol('alice');
  ledger.enrol('clara', 'curator');
  ledger.enrol('rita', 'registrar');
  return ledger;
}
const ledgerRoot = (digests) => rootOf(digests.map((x) => leaf(x)));
const id = (ledger, name) => ledger.people.get(name).id;
const work = (ledger, name, content, more = {}) => record({ kind: 'work', maker: id(ledger, name), content, ...more });
const logWork = (ledger, name, content = 'x', more = {}) => ledger.artifacts(name, [work(ledger, name, content, more)])[0];
const list = (ledger, lists = { curators: [id(ledger, 'clara')] }, mode = 'open') => ledger.say('operator', 'rules', { mode, ...lists });
const rel = (parent, name, more = {}) => ({ id: parent, rel: name, ...more });
const derived = (ledger, name, parents, more = {}) => record({
  kind: 'derived', maker: id(ledger, name), content: 'd', parents, facts: { tool: 't', version: '1', parameters: hash('p') }, ...more,
});

test('a work stands, anchored', () => {
  const ledger = begin(), a = logWork(ledger, 'alice');
  ledger.state(T + 1);
  const s = first(ledger, [a], { points: [2, 3, 6] });
  says(s, 'stands', 'released', 'released', 'L2');
  assert.deepEqual([s.humans, s.authors], [[hex(id(ledger, 'alice'))], [hex(id(ledger, 'alice'))]]);
});

test('reported, and by a machine: logged', () => {
  const ledger = begin();
  ledger.enrol('m', 'machine');
  const a = ledger.artifacts('m', [record({ kind: 'output', maker: id(ledger, 'm'), content: 'o' })])[0];
  const b = logWork(ledger, 'alice', 'r', { stance: 'reported' });
  ledger.state(T + 1);
  says(first(ledger, [a]), 'stands', 'released', 'released', 'L1');
  says(first(ledger, [b]), 'stands', 'released', 'released', 'L1');
});

test('illegal records are faulty', () => {
  const faults = [
    (l) => work(l, 'clara', 'x'), (l) => work(l, 'alice', 'x', { human: 1, machine: 1 }), (l) => work(l, 'alice', 'x', { human: 600_000, machine: 600_000 }),
    (l) => work(l, 'alice', 'x', { size: 33, form: 'sealed', media: undefined }), (l) => work(l, 'alice', 'x', { media: undefined }),
    (l) => work(l, 'alice', 'x', { facts: { tool: 't', version: '1', parameters: hash('p') } }), (l) => work(l, 'alice', 'x', { attributed: hash('x') }),
    (l) => work(l, 'alice', 'x', { zzz: 1 }), (l) => work(l, 'alice', 'x', { maker: id(l, 'clara') }), (l) => work(l, 'alice', 'x', { human: 1_000_001 }),
    (l) => record({ kind: 'output', maker: id(l, 'alice'), content: 'x' }), (l) => derived(l, 'alice', []),
    (l) => work(l, 'alice', 'x', { parents: [rel(hash('p'), 'trained-on')] }), (l) => work(l, 'alice', 'x', { parents: [rel(hash('p'), 'evidence', { ppm: 1 })] }),
    (l) => work(l, 'alice', 'x', { parents: [rel(hash('p'), 'quotes', { log: l.id })] }),
    (l) => work(l, 'alice', 'x', { parents: [rel(hash('p'), 'quotes'), rel(hash('p'), 'quotes', { ppm: 5 })] }),
    (l) => Buffer.concat([work(l, 'alice', 'x'), Buffer.from([0])]),
  ];
  for (const [i, fault] of faults.entries()) {
    const ledger = begin(), by = i === 0 ? 'clara' : 'alice', a = ledger.artifacts(by, [fault(ledger)])[0];
    ledger.state(T + 1);
    const s = first(ledger, [a]);
    says(s, 'faulty', 'unknown', 'unknown', 'L0');
    assert.deepEqual(s.humans, [], `fault ${i}`);
  }
});

test('parents: kinds, rows, order, and what is not in the file', () => {
  const ledger = begin(), maker = id(ledger, 'alice');
  const digests = ['a', 'b', 'c'].map((x) => hash(x)), rows = record({
    kind: 'dataset', maker, form: 'rows', size: 3, facts: { count: 3 }, stance: 'reported',
    content: ledgerRoot(digests),
  });
  const set = ledger.artifacts('alice', [rows])[0], model = record({ kind: 'model', maker, content: 'm', facts: { name: 'm', version: '1' }, parents: [rel(set, 'trained-on')] });
  const m = ledger.artifacts('alice', [model])[0];
  const put = (r) => ledger.artifacts('alice', [r])[0];
  const out = put(record({ kind: 'output', maker, content: 'o', parents: [rel(m, 'generated-by')] }));
  const bad = [put(derived(ledger, 'alice', [rel(m, 'derived-from')])), put(derived(ledger, 'alice', [rel(set, 'derived-from', { row: 3 })])),
    put(record({ kind: 'output', maker, content: 'o2', parents: [rel(set, 'generated-by')] })), put(work(ledger, 'alice', 'q', { parents: [rel(m, 'quotes')] }))];
  const row = put(derived(ledger, 'alice', [rel(set, 'derived-from', { row: 2 })]));
  const later = work(ledger, 'alice', 'later'), early = put(derived(ledger, 'alice', [rel(leaf(later), 'derived-from')]));
  put(later);
  const orphan = put(work(ledger, 'alice', 'orphan', { parents: [rel(hash('nowhere'), 'evidence')] }));
  const foreign = put(derived(ledger, 'alice', [rel(hash('p'), 'derived-from', { log: hash('log') })]));
  ledger.state(T + 1);
  says(first(ledger, [out]), 'stands', 'released', 'conditional', 'L2');
  for (const b of [...bad, early]) says(first(ledger, [b]), 'faulty', 'unknown', 'unknown', 'L0');
  says(first(ledger, [row]), 'stands', 'released', 'released', 'L2');
  says(first(ledger, [orphan]), 'stands', 'unknown', 'unknown', 'L0');
  says(first(ledger, [foreign]), 'stands', 'released', 'unknown', 'L2');
  const answer = verify(ledger, ledger.prove([], { rows: [{ id: set, ranges: [[0, 1], [2, 1]], digests }] }));
  assert.deepEqual(answer.subjects[0].rows, [[0, 1], [2, 1]]);
  says(answer.subjects[0], 'stands', 'released', 'released', 'L1');
  assert.equal(verify(ledger, ledger.prove([], { rows: [{ id: set, ranges: [[0, 1]], digests: [...digests].reverse() }] })).code, 'multiproof-invalid');
  assert.equal(verify(ledger, ledger.prove([], { rows: [{ id: set, ranges: [[0, 1], [1, 1]], digests }] })).code, 'proof-invalid');
});

test('notices: held, released, disputed, retracted, on rows, delisted', () => {
  const notice = (ledger, by, act, subjects, more = {}) => ledger.say(by, 'notice', { act, subjects, ...more });
  const run = (then) => {
    const ledger = begin();
    list(ledger);
    const a = logWork(ledger, 'alice'), b = ledger.artifacts('alice', [derived(ledger, 'alice', [rel(a, 'derived-from')])])[0];
    then(ledger, a);
    ledger.state(T + 1);
    return [first(ledger, [a]), first(ledger, [b])].map((s) => [s.status, s.standing].join(' '));
  };
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'hold', [[a]])), ['quarantined quarantined', 'released quarantined']);
  assert.deepEqual(run((l, a) => notice(l, 'rita', 'hold', [[a]])), ['released released', 'released released']);
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'dispute', [[a]])), ['conditional conditional', 'released conditional']);
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'release', [[a]], { cancels: notice(l, 'clara', 'hold', [[a]]) })), ['released released', 'released released']);
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'release', [[a]], { cancels: hash('?') }) && notice(l, 'clara', 'hold', [[a]])), ['quarantined quarantined', 'released quarantined']);
  assert.deepEqual(run((l, a) => notice(l, 'alice', 'retract', [[a]])), ['retracted retracted', 'released conditional']);
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'retract', [[a]])), ['retracted retracted', 'released retracted']);
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'hold', [[a]]) && list(l, {})), ['released released', 'released released']);
  assert.deepEqual(run((l, a) => notice(l, 'clara', 'hold', [[a, 0]])), ['released released', 'released released']);
  assert.deepEqual(run((l, a) => l.say('clara', 'attest', { subjects: [[a]], claim: 'content', result: 'refuted' })), ['released conditional', 'released conditional']);
});

test('what was said before the first place at hand', () => {
  const run = (act, who = 'clara') => {
    const ledger = begin();
    list(ledger);
    const a = logWork(ledger, 'alice'), left = ledger.entries.length - 1;
    if (act === 'refuted') ledger.say(who, 'attest', { subjects: [[a]], claim: 'content', result: act });
    else ledger.say(who, 'notice', { act, subjects: [[a]] });
    logWork(ledger, 'alice');
    ledger.state(T + 1);
    const told = [first(ledger, [a]), first(ledger, [a], { hide: [left] })].map((s) => s.standing);
    assert.equal(told[0], told[1]);
    return told[0];
  };
  assert.deepEqual(['hold', 'retract', 'erase', 'dispute', 'refuted'].map((x) => run(x)), ['quarantined', 'retracted', 'retracted', 'conditional', 'conditional']);
  assert.equal(run('retract', 'alice'), 'retracted');
});

test('a row that is held, for itself and for the whole', () => {
  const ledger = begin(), digests = [hash('a'), hash('b')];
  list(ledger);
  const rows = record({ kind: 'dataset', maker: id(ledger, 'alice'), form: 'rows', size: 2, facts: { count: 2 }, stance: 'reported', content: ledgerRoot(digests) });
  const [set] = ledger.artifacts('alice', [rows]);
  const [one] = ledger.artifacts('alice', [derived(ledger, 'alice', [rel(set, 'derived-from', { row: 0 })])]);
  const [two] = ledger.artifacts('alice', [derived(ledger, 'alice', [rel(set, 'derived-from', { row: 1 })])]);
  const [all] = ledger.artifacts('alice', [derived(ledger, 'alice', [rel(set, 'derived-from')])]);
  ledger.say('clara', 'notice', { act: 'hold', subjects: [[set, 1]] });
  ledger.state(T + 1);
  says(first(ledger, [set]), 'stands', 'conditional', 'conditional', 'L1');
  says(first(ledger, [one]), 'stands', 'released', 'released', 'L2');
  says(first(ledger, [two]), 'stands', 'released', 'quarantined', 'L2');
  says(first(ledger, [all]), 'stands', 'released', 'conditional', 'L2');
});

test('a stolen key: rotation, disowning, signing again, rescue', () => {
  const run = (then, retire = 'rotate') => {
    const ledger = begin();
    list(ledger);
    const a = logWork(ledger, 'alice'), at = ledger.entries.length - 1;
    ledger.state(T + 1);
    const change = () => ledger.change('alice', retire, { compromised: [[key('alice/0').open, at]] });
    then(ledger, a, change);
    ledger.state(T + 2);
    return first(ledger, [a]);
  };
  says(run((l, a, change) => change()), 'disowned', 'disowned', 'unknown', 'L1');
  says(run((l, a, change) => change(), 'retire'), 'disowned', 'disowned', 'unknown', 'L1');
  says(run((l, a, change) => { change(); logWork(l, 'alice'); }), 'stands', 'released', 'released', 'L2');
  const attest = (l, a, by, result = 'confirmed') => l.say(by, 'attest', { subjects: [[a]], claim: 'authorship', result });
  says(run((l, a, change) => { attest(l, a, 'clara'); change(); }), 'stands', 'released', 'released', 'L2');
  says(run((l, a, change) => { attest(l, a, 'clara'); change(); attest(l, a, 'clara', 'unclear'); }), 'disowned', 'disowned', 'unknown', 'L1');
  says(run((l, a, change) => { change(); attest(l, a, 'rita'); }), 'disowned', 'disowned', 'unknown', 'L1');
  const endorsed = (l, by, more = {}) => {
    l.enrol('eve');
    l.say(by, 'endorse', { subject: id(l, 'eve'), grade: 'known', method: 'web', ...more });
    list(l, { registrars: [id(l, 'rita')] });
  };
  // Who is endorsed is heard, and rescues nothing.
  says(run((l, a, change) => { endorsed(l, 'rita'); change(); attest(l, a, 'eve'); }), 'disowned', 'disowned', 'unknown', 'L1');
  says(run((l, a) => { endorsed(l, 'rita'); attest(l, a, 'eve', 'refuted'); }), 'stands', 'released', 'conditional', 'L2');
  says(run((l, a) => { endorsed(l, 'clara'); attest(l, a, 'eve', 'refuted'); }), 'stands', 'released', 'released', 'L2');
  says(run((l, a) => { endorsed(l, 'rita', { until: T + 2 }); attest(l, a, 'eve', 'refuted'); }), 'stands', 'released', 'released', 'L2');
});

test('recover: pending, in force after a week, vetoed', () => {
  const begun = () => {
    const ledger = begin(), a = logWork(ledger, 'alice'), at = ledger.entries.length - 1;
    ledger.state(T + 1);
    ledger.change('alice', 'recover', { compromised: [[key('alice/0').open, at]] });
    return [ledger, a];
  };
  let [ledger, a] = begun();
  ledger.state(T + 2);
  says(first(ledger, [a]), 'stands', 'released', 'released', 'L2');
  ledger.state(T + 2 + WEEK_MS - 1);
  says(first(ledger, [a]), 'stands', 'released', 'released', 'L2');
  ledger.state(T + 2 + WEEK_MS);
  says(first(ledger, [a]), 'disowned', 'disowned', 'unknown', 'L1');
  [ledger, a] = begun();
  ledger.change('alice', 'rotate');
  const b = logWork(ledger, 'alice', 'after the veto');
  ledger.state(T + WEEK_MS * 2);
  says(first(ledger, [a]), 'stands', 'released', 'released', 'L2');
  says(first(ledger, [b]), 'stands', 'released', 'released', 'L2');
  [ledger, a] = begun();
  const c = logWork(ledger, 'alice', 'the old key, while the recover is pending');
  ledger.state(T + 2);
  const d = logWork(ledger, 'alice', 'the old key, too late');
  ledger.state(T + 2 + WEEK_MS);
  says(first(ledger, [c]), 'disowned', 'disowned', 'unknown', 'L1');
  says(first(ledger, [d]), 'faulty', 'unknown', 'unknown', 'L0');
});

test('key events that break a rule have no effect', () => {
  const wrong = [
    { keyset: keyset('alice/9') }, { next: digestOf('alice/1') }, { next: digestOf('alice/0') }, { next: digestOf('q'), recovery: digestOf('q') },
    { compromised: [[key('bob').open, 1]] }, { compromised: [[key('alice/0').open, 99]] },
  ];
  for (const more of wrong) {
    const ledger = begin();
    ledger.change('alice', 'rotate', more);
    const a = logWork(ledger, 'alice'); // under a key event that is none
    ledger.state(T + 1);
    says(first(ledger, [a]), 'faulty', 'unknown', 'unknown', 'L0');
  }
});

test('pairs: delegation, scope, undelegation, suspect', () => {
  const substrate = { name: 'quill', version: '2' };
  const run = (scope, fields, then = () => {}, more = {}) => {
    const ledger = begin();
    ledger.enrol('pair', 'pair', { of: id(ledger, 'alice') });
    const index = ledger.entries.length, d = ledger.say('alice', 'delegate', { pair: id(ledger, 'pair'), substrate, ...(scope ? { scope } : {}) });
    const middle = then(ledger, index) ?? {};
    const [a] = ledger.artifacts('pair', [work(ledger, 'pair', 'x', fields)], { delegation: d, ...more });
    middle.after?.();
    ledger.state(T + 1);
    return [first(ledger, [a]), ledger];
  };
  let [s, ledger] = run(null, {});
  says(s, 'stands', 'released', 'released', 'L2');
  assert.deepEqual([s.humans, s.authors], [[hex(id(ledger, 'alice'))], []]);
  [s, ledger] = run({ human: 500_000 }, { human: 500_000, machine: 500_000 });
  assert.deepEqual([s.level, s.authors], ['L2', [hex(id(ledger, 'alice'))]]);
  const faulty = (...args) => says(run(...args)[0], 'faulty', 'unknown', 'unknown', 'L0');
  faulty(null, { human: 1 });
  faulty({ human: 5 }, { human: 6 });
  faulty({ kinds: ['output'] }, {});
  faulty({ until: T + 1 }, {});
  faulty(null, {}, () => {}, { delegation: hash('another') });
  faulty(null, {}, (l) => { l.say('alice', 'undelegate', { pair: id(l, 'pair') }); });
  faulty(null, {}, (l) => { l.change('alice', 'retire'); });
  says(run({ until: T + 2 }, {})[0], 'stands', 'released', 'released', 'L2');
  const cut = (l, index) => l.change('alice', 'rotate', { compromised: [[key('alice/0').open, index]] });
  faulty(null, {}, (l, index) => { cut(l, index); });
  says(run(null, {}, (l, index) => ({ after: () => cut(l, index) }))[0], 'disowned', 'disowned', 'unknown', 'L1');
});

test('allow-list: by endorsement, until, of a listed registrar', () => {
  const run = (endorse, time = T + 1) => {
    const ledger = begin();
    endorse(ledger, (more = {}, by = 'rita') => ledger.say(by, 'endorse', { subject: id(ledger, 'alice'), grade: 'known', method: 'document', ...more }),
      (lists = { registrars: [id(ledger, 'rita')] }) => list(ledger, lists, 'allow-list'));
    const a = logWork(ledger, 'alice');
    ledger.state(time);
    return first(ledger, [a]).presence;
  };
  assert.equal(run((l, endorse, shut) => { shut(); }), 'faulty');
  assert.equal(run((l, endorse, shut) => { shut(); endorse(); }), 'stands');
  assert.equal(run((l, endorse, shut) => { endorse(); shut(); }), 'stands');
  assert.equal(run((l, endorse, shut) => { endorse({}, 'clara'); shut(); }), 'faulty');
  assert.equal(run((l, endorse, shut) => { endorse({ until: T + 2 }); shut(); }), 'stands');
  assert.equal(run((l, endorse, shut) => { endorse({ until: T + 1 }); shut(); }), 'faulty');
  assert.equal(run((l, endorse, shut) => { endorse(); endorse({ until: T }); shut(); }), 'faulty');
  assert.equal(run((l, endorse, shut) => { endorse(); shut(); l.change('rita', 'retire'); }), 'stands');
  assert.equal(run((l, endorse, shut) => { const at = l.entries.length; endorse(); shut(); l.change('rita', 'rotate', { compromised: [[key('rita/0').open, at]] }); }), 'faulty');
});

test('a fork, told: contested until another key event', () => {
  const run = (then = () => {}, other = {}) => {
    const ledger = begin(), a = logWork(ledger, 'alice');
    const sides = ['one', 'two'].map((x) => {
      const { raw, ...p } = { ...ledger.ordinary('alice', 'undelegate', { pair: hash(x) }, { lane: Buffer.alloc(16, 7), ...other }), raw: null };
      const [payload, signatures] = ledger.payload(p, [[0, 0, 'alice/0']]);
      return [payload, signatures];
    }).sort((x, y) => Buffer.compare(encode(x[0]), encode(y[0])));
    ledger.say('clara', 'evidence', { first: sides[0], second: sides[1] });
    then(ledger);
    ledger.state(T + 1);
    return first(ledger, [a]);
  };
  says(run(), 'stands', 'quarantined', 'quarantined', 'L2');
  says(run((l) => l.change('alice', 'retire')), 'stands', 'quarantined', 'quarantined', 'L2');
  says(run((l) => l.change('alice', 'rotate')), 'stands', 'released', 'released', 'L2');
  says(run(() => {}, { key: hash('no key event') }), 'stands', 'released', 'released', 'L2');
});

test('a fork of key events, by the next keyset alone', () => {
  const run = (signer) => {
    const ledger = begin(), a = logWork(ledger, 'alice'), who = ledger.people.get('alice');
    const sides = ['x', 'y'].map((x) => {
      const body = { keyset: keyset(signer), next: digestOf(`n${x}`), recovery: digestOf(`r${x}`) };
      return ledger.payload({ v: 1, type: 'rotate', log: ledger.id, by: who.id, kseq: 1, prev: who.prev, body }, [[1, 0, signer]]);
    }).sort((x, y) => Buffer.compare(x[0], y[0]));
    ledger.say('clara', 'evidence', { first: sides[0], second: sides[1] });
    ledger.state(T + 1);
    return first(ledger, [a]).status;
  };
  assert.equal(run('alice/1'), 'quarantined');
  assert.equal(run('mallory'), 'released');
});

test('erased: allowed by an erase that had its week, else withheld', () => {
  const ledger = begin(), a = logWork(ledger, 'alice'), [b] = ledger.artifacts('alice', [derived(ledger, 'alice', [rel(a, 'derived-from')])]);
  ledger.state(T + 1);
  says(first(ledger, [b], { erased: [a] }), 'stands', 'unknown', 'unknown', 'L0');
  ledger.say('alice', 'notice', { act: 'erase', subjects: [[a]], reason: 'privacy' });
  ledger.state(T + 2);
  says(first(ledger, [b], { erased: [a] }), 'stands', 'unknown', 'unknown', 'L0');
  ledger.state(T + 2 + WEEK_MS);
  says(first(ledger, [b], { erased: [a] }), 'stands', 'released', 'unknown', 'L2');
  says(first(ledger, [a], { erased: [a] }), 'erased', 'retracted', 'unknown', 'L0');
});

test('disclosed parts', () => {
  const ledger = begin(), maker = id(ledger, 'alice'), salt = hash('salt'), bytes = Buffer.from('a secret');
  const [a] = ledger.artifacts('alice', [record({ kind: 'work', maker, form: 'sealed', media: undefined, size: 32, content: tagged('sealed', maker, salt, bytes) })]);
  const profile = Buffer.from('{}'), bob = ledger.enrol('bob', 'human', { profile: tagged('profile', digestOf('bob/0'), salt, Buffer.from('{}')) });
  ledger.state(T + 1);
  const answer = (disclosed) => verify(ledger, ledger.prove([a], { disclosed }));
  assert.ok(answer([{ what: 1, id: a, salt, bytes }, { what: 2, id: bob, salt, bytes: profile }]).valid);
  for (const wrong of [{ what: 1, id: a, salt: hash('x'), bytes }, { what: 1, id: bob, salt, bytes }, { what: 2, id: bob, salt, bytes }, { what: 3, id: a, salt, bytes }, { what: 2, id: maker, salt, bytes }]) {
    assert.equal(answer([wrong]).code, 'proof-invalid');
  }
});

test('what is missing, or a lie, is told', () => {
  const ledger = begin();
  list(ledger);
  const a = logWork(ledger, 'alice');
  ledger.say('clara', 'notice', { act: 'dispute', subjects: [[a]] });
  ledger.state(T + 1);
  const code = (options) => verify(ledger, ledger.prove([a], options)).code;
  assert.equal(code({}), null);
  for (const topic of ['1 alice', '3 alice', '4 alice', '1 clara', '1 operator']) assert.equal(code({ noTopics: [topic] }), 'proof-incomplete', topic);
  for (const topic of ['3 operator', '4 operator', '4 rita', '3 rita', '4 clara', '2 alice']) assert.equal(code({ noTopics: [topic] }), null, topic);
  const dispute = ledger.entries.length - 2;
  assert.equal(code({ hide: [dispute] }), 'status-invalid');
  assert.equal(code({ lie: { note: note(ledger.entries.length, hash('root')) } }), 'multiproof-invalid');
  assert.equal(code({ lie: { note: note(ledger.entries.length, hash('root'), 'mallory') } }), 'note-invalid');
  assert.equal(code({ lie: { status: Buffer.alloc(32) } }), 'status-invalid');
});

test('fold 1: what is not built there has no effect, and the state behind is asked for', () => {
  const ledger = new Ledger({ fold: 1 });
  ledger.state(T, { fold: 1 });
  ledger.enrol('alice');
  ledger.change('alice', 'rotate', {}, { kseq: 0, prev: ledger.people.get('alice').id, key: ledger.people.get('alice').id, n: 0 });
  const [a] = [logWork(ledger, 'alice')], index = ledger.entries.length - 1;
  ledger.state(T + 1, { fold: 1 });
  says(first(ledger, [a]), 'stands', 'released', 'released', 'L2');
  ledger.state(T + 2, { fold: 2 });
  assert.equal(verify(ledger, ledger.prove([a], { hide: [index + 1] })).code, 'proof-incomplete');
  ledger.state(T + 3, { fold: 3 });
  assert.equal(verify(ledger, ledger.prove([a])).code, 'fold-unknown');
});

test('lanes: what the entries at hand contradict', () => {
  const ledger = begin(), lane = Buffer.alloc(16, 9);
  const at = (content, seq, prev) => ledger.artifacts('alice', [work(ledger, 'alice', content)], {}, { lane, seq, ...(prev ? { prev } : {}) })[0];
  const last = () => { const s = ledger.statements().at(-1); return s.id; };
  const ids = [at('0', 0)];
  const zero = last();
  ids.push(at('1', 1, zero), at('again', 1, zero), at('far', 5, hash('granted')), at('back', 3, hash('x')), at('zero', 0), at('6', 6, hash('not far')));
  ledger.state(T + 1);
  assert.deepEqual(ids.map((x) => first(ledger, [x]).presence), ['stands', 'stands', 'faulty', 'stands', 'faulty', 'faulty', 'faulty']);
});

test('thresholds, surplus, and signatures of another', () => {
  const run = (signers) => {
    const ledger = begin(), r = work(ledger, 'alice', 'x'), leafId = leaf(r);
    const p = ledger.ordinary('alice', 'artifacts', { count: 1, root: leafId }), [raw, signatures] = ledger.payload(p, signers);
    ledger.put(encode([raw, signatures]));
    ledger.records.set(ledger.entries.length - 1, [r]);
    ledger.state(T + 1);
    return first(ledger, [leafId]).presence;
  };
  assert.equal(run([[0, 0, 'alice/0']]), 'stands');
  assert.equal(run([[0, 0, 'mallory']]), 'faulty');
  assert.equal(run([[0, 1, 'alice/0']]), 'faulty');
  assert.equal(run([[1, 0, 'alice/0']]), 'faulty');
  assert.equal(run([[0, 0, 'alice/0'], [0, 1, 'alice/0']]), 'faulty');
});

test('hostile bytes: every cut and many flips are answered, none is valid', () => {
  const ledger = begin();
  list(ledger);
  const a = logWork(ledger, 'alice');
  ledger.say('clara', 'notice', { act: 'dispute', subjects: [[a]] });
  ledger.state(T + 1);
  // With topics that nobody is asked about, a flip could name another one that is absent too: that is no lie.
  const noTopics = ['2 alice', ...['operator', 'clara'].flatMap((x) => [2, 3, 4].map((t) => `${t} ${x}`)), ...[1, 2, 3, 4].map((t) => `${t} rita`)];
  const file = ledger.prove([a], { points: [2], noTopics });
  assert.ok(verify(ledger, file).valid);
  for (let i = 0; i < file.length; i += 7) assert.equal(verify(ledger, file.subarray(0, i)).valid, false);
  for (let i = 0; i < file.length; i++) {
    const bad = Buffer.from(file);
    bad[i] ^= 1 << (i % 8);
    const answer = verify(ledger, bad);
    // The one flip that is no lie is the high bit that names the subject.
    assert.ok(!answer.valid || answer.subjects.length === 0, `byte ${i}`);
  }
  assert.equal(verify(ledger, Buffer.concat([file, Buffer.from([0])])).code, 'proof-invalid');
});

test('the signed text is the encoding of SPEC §6', () => {
  assert.equal(pae(Buffer.from('ab')).toString(), 'DSSEv1 41 application/vnd.lineage.statement+msgpack 2 ab');
});
