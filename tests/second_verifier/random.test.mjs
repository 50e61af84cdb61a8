// Random logs, of statements right and wrong. No entry that somebody signs may end the verifier, and whatever is taken
// out of a file, nothing that is told of a subject gets better (SPEC §11.2).
import assert from 'node:assert/strict';
import test from 'node:test';
import { WEEK_MS, hash, hex } from './base.mjs';
import { Ledger, digestOf, key, keyset, record, rootOf } from './builder.mjs';
import { checkLog, parseFile, understand } from './file.mjs';
import { leafHash } from './merkle.mjs';
import { encode } from './msgpack.mjs';
import { parseVkey } from './note.mjs';
import { Trace } from './trace.mjs';
import { verify } from './verify.mjs';

const LEVELS = ['L0', 'L1', 'L2'], STANDINGS = ['unknown', 'retracted', 'quarantined', 'conditional', 'released'];
const RELATIONS = ['derived-from', 'generated-by', 'trained-on', 'distilled-from', 'evidence', 'quotes', 'corrects', 'supersedes'];
const FACTS = { derived: { tool: 't', version: '1', parameters: hash('p') }, model: { name: 'm', version: '1' } };
const DIGESTS = ['a', 'b', 'c'].map((x) => hash(x));

class Play {
  constructor(seed) {
    this.x = seed;
    this.time = 1_000_000;
    this.artifacts = [];
    this.said = [hash('nothing')];
    const ledger = new Ledger();
    this.ledger = ledger;
    ledger.state(this.time);
    for (const [name, role] of Object.entries({ alice: 'human', bob: 'human', robot: 'machine', rita: 'registrar', clara: 'curator' })) ledger.enrol(name, role);
    ledger.enrol('pair', 'pair', { of: this.id('alice') });
    this.names = [...ledger.people.keys()];
    this.delegation = ledger.say('alice', 'delegate', { pair: this.id('pair'), substrate: { name: 'q', version: '1' }, scope: { human: 500_000 } });
    ledger.say('operator', 'rules', { mode: 'open', curators: [this.id('clara')], registrars: [this.id('rita')] });
    const moves = [this.record, this.record, this.record, this.attest, this.notice, this.notice, this.endorse, this.rules, this.change, this.delegate, this.fork, this.commit];
    for (let i = this.below(40) + 20; i > 0; i--) this.pick(moves).call(this, this.pick(this.names));
    this.time += this.below(3) ? 1 : WEEK_MS;
    ledger.state(this.time);
  }

  below(n) {
    this.x = (Math.imul(this.x, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.x / 2 ** 32) * n);
  }

  pick(list) { return list[this.below(list.length)]; }
  id(name) { return this.ledger.people.get(name).id; }
  some(n, make) {
    const items = Array.from({ length: n }, make);
    return [...new Map(items.map((x) => [hex(encode(x)), x]).sort(([a], [b]) => (a < b ? -1 : 1))).values()];
  }

  known() { return this.below(9) ? this.pick(this.artifacts) ?? hash('no') : hash('no'); }
  subjects() { return this.some(this.below(2) + 1, () => (this.below(4) ? [this.known()] : [this.known(), this.below(4)])); }

  record(name) {
    const kind = this.pick(['work', 'derived', 'model', 'dataset', 'output', 'abstract', 'experience']), fields = { kind, maker: this.id(name), content: `c${this.below(99)}` };
    fields.parents = this.some(this.below(4), () => ({ id: this.known(), rel: this.pick(RELATIONS), ...(this.below(5) ? {} : { row: this.below(4) }), ...(this.below(12) ? {} : { log: hash('log') }) }));
    if (FACTS[kind]) fields.facts = FACTS[kind];
    if (!this.below(4)) fields.stance = 'reported';
    if (!this.below(4)) fields.human = this.below(3) * 300_000;
    if (!this.below(6)) fields.machine = this.below(2) * 200_000;
    if (kind === 'dataset' && this.below(2)) Object.assign(fields, { form: 'rows', facts: { count: 3 }, size: 3, content: rootOf(DIGESTS.map(leafHash)) });
    const records = [record(fields)];
    if (!this.below(4)) records.push(record({ ...fields, content: 'two' }));
    if (!this.below(8)) records.push(records[0]);
    this.artifacts.push(...this.ledger.artifacts(name, records, name === 'pair' && this.below(10) ? { delegation: this.delegation } : {}));
  }

  attest(name) {
    this.ledger.say(name, 'attest', { subjects: this.subjects(), claim: this.pick(['authorship', 'content']), result: this.pick(['confirmed', 'refuted', 'unclear']) });
  }

  notice(name) {
    const act = this.pick(['hold', 'retract', 'erase', 'dispute', 'release']);
    this.said.push(this.ledger.say(this.pick([name, 'clara']), 'notice', { act, subjects: this.subjects(), ...(act === 'release' ? { cancels: this.pick(this.said) } : {}) }));
  }

  endorse(name) {
    const more = { ...(this.below(3) ? {} : { until: this.time + this.below(20) }), ...(this.below(9) ? {} : { log: hash('log') }) };
    this.ledger.say(this.pick([name, 'rita']), 'endorse', { subject: this.id(this.pick(this.names)), grade: 'known', method: 'web', ...more });
  }

  rules(name) {
    const lists = { ...(this.below(3) ? { curators: [this.id(this.below(5) ? 'clara' : name)] } : {}), ...(this.below(3) ? { registrars: [this.id('rita')] } : {}) };
    this.ledger.say(this.below(4) ? 'operator' : name, 'rules', { mode: this.pick(['open', 'open', 'allow-list']), ...lists });
  }

  change(name) {
    const cut = { compromised: [[key(`${name}/0`).open, this.below(this.ledger.entries.length)]] };
    this.ledger.change(name, this.pick(['rotate', 'rotate', 'recover', 'retire']), this.below(2) ? {} : cut);
  }

  delegate(name) {
    const by = this.below(4) ? 'alice' : name, pair = this.id(this.below(5) ? 'pair' : name);
    if (!this.below(3)) return this.ledger.say(by, 'undelegate', { pair });
    const scope = { human: this.below(999_999) + 1, ...(this.below(2) ? { until: this.time + this.below(15) } : {}), ...(this.below(3) ? {} : { count: this.below(3) + 1 }) };
    const id = this.ledger.say(by, 'delegate', { pair, substrate: { name: 'q', version: '2' }, ...(this.below(2) ? { scope } : {}) });
    if (this.below(5)) this.delegation = id;
    return id;
  }

  fork(name) {
    const victim = this.pick(this.names), who = this.ledger.people.get(victim), next = `${victim}/${who.n + 1}`;
    const ordinary = this.ledger.ordinary(victim, 'undelegate', { pair: hash('a') });
    const event = (x) => ({ v: 1, type: 'rotate', log: this.ledger.id, by: who.id, kseq: who.kseq + 1, prev: who.prev, body: { keyset: keyset(next), next: digestOf(`n${x}`), recovery: digestOf(`r${x}`) } });
    const sides = this.below(2) ? ['x', 'y'].map((x) => this.ledger.payload(event(x), [[1, 0, next]]))
      : ['a', 'b'].map((x) => this.ledger.payload({ ...ordinary, body: { pair: hash(x) } }, [[0, 0, `${victim}/${who.n}`]]));
    const [first, second] = sides.sort((a, b) => Buffer.compare(a[0], b[0]));
    this.ledger.say(name, 'evidence', { first, second });
  }

  commit() {
    this.time += this.below(5) ? this.below(10) : WEEK_MS;
    this.ledger.state(this.time);
  }
}

test('whatever is logged is judged, and what is left out makes nothing better', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const play = new Play(seed), { ledger } = play, vkey = parseVkey(ledger.vkey);
    const subjects = play.some(play.artifacts.length, () => play.pick(play.artifacts)), erased = subjects.filter(() => !play.below(12));
    const bytes = ledger.prove(subjects, { erased }), { logs: [log] } = parseFile(bytes);
    understand(log);
    checkLog(log, vkey);
    const whole = new Map(new Trace(log, vkey).subjects().map((s) => [s.id, s])); // throws what was not foreseen
    for (let i = 0; i < 8; i++) {
      const hide = ledger.entries.map((_, at) => at).slice(1, -1).filter((at) => (i < 4 ? ledger.records.has(at) && !play.below(3) : !play.below(12)));
      const noTopics = i < 4 ? [] : play.names.flatMap((name) => [1, 2, 3, 4].map((t) => `${t} ${name}`)).filter(() => !play.below(40));
      for (const s of verify(ledger.prove(subjects, { erased, hide, noTopics }), vkey).subjects) {
        const { level, standing } = whole.get(s.id), what = `seed ${seed}, without ${hide} ${noTopics}: ${s.id}`;
        assert.ok(LEVELS.indexOf(s.level) <= LEVELS.indexOf(level), `${what} ${s.level} ${level}`);
        assert.ok(STANDINGS.indexOf(s.standing) <= STANDINGS.indexOf(standing), `${what} ${s.standing} ${standing}`);
      }
    }
  }
});
