// The fold (SPEC §9), over the entries that a file shows, in log order, in a state that knows nothing else (SPEC §12).
// Left to the operator's word: what needs the whole log (end of SPEC §9.2), but for what the entries at hand contradict.
import { Refused, WEEK_MS, hex, lowerBound, need, refuse, same, tagged } from './base.mjs';
import { keyHolds, signatureHolds } from './ed25519.mjs';
import { parseVkey, vkeyHolds } from './note.mjs';
import { checkParentKind, checkRole } from './records.mjs';
import { KEY_EVENTS, keysetDigest } from './schema.mjs';

const NEWEST_FOLD = 2; // SPEC §5.5
const BUILT_AT_FIRST = new Set(['genesis', 'enrol', 'state', 'artifacts', 'delegate']);
const LISTABLE = { registrars: 'registrar', curators: 'curator' };

const pae = (payload) =>
  Buffer.concat([Buffer.from(`DSSEv1 41 application/vnd.lineage.statement+msgpack ${payload.length} `), payload]);

// SPEC §6, §7.1, §8.1. `asked`: the keysets asked for, by their number. Exactly the threshold signs.
function checkSignatures(statement, asked) {
  for (const [set, index] of statement.signatures) {
    need(asked[set], 'signature-surplus', 'a keyset that is not asked for');
    need(index < asked[set].keys.length, 'signature-invalid', 'no such key');
  }
  for (const [set, { keys, thresholds }] of Object.entries(asked)) {
    for (const [algorithm, threshold] of Object.entries(thresholds)) {
      const n = statement.signatures.filter(([s, index]) => s === Number(set) && keys[index][0] === algorithm).length;
      need(n >= threshold, 'signature-missing', algorithm);
      need(n <= threshold, 'signature-surplus', algorithm);
    }
  }
  const message = pae(statement.raw);
  for (const [set, index, signature] of statement.signatures) {
    const [algorithm, key] = asked[set].keys[index];
    need(algorithm === 'ed25519', 'not-yet', algorithm);
    need(signatureHolds(key, message, signature), 'signature-invalid', 'a signature does not hold');
  }
}

function checkKeys({ keys }) {
  for (const [algorithm, key] of keys) {
    need(algorithm === 'ed25519', 'not-yet', algorithm);
    need(keyHolds(key), 'key-refused', hex(key));
  }
}

const differ = (digests) => need(new Set(digests.map(hex)).size === digests.length, 'keyset-illegal', 'digests that do not differ');

const keysOf = (keyset) => keyset.keys.map(([, key]) => hex(key));

function reveal(who, event) {
  who.events.push(event);
  who.digests.add(hex(event.digest));
  for (const key of keysOf(event.keyset)) who.keys.add(key);
  return who;
}

export class Fold {
  constructor(log, vkey) {
    this.log = log;
    this.vkey = vkey;
    this.end = log.checkpoint.size;
    this.identities = new Map();
    this.holds = new Map();
    this.endorsements = new Map();
    this.ruled = []; // [index, rules], oldest first
    this.lanes = new Map();
    this.undecided = []; // what is said of artifacts that stand at no place before
    this.asked = new Set(); // indices whose clock or fold number was asked for
    this.states = [];
    let time = 0, fold = 0;
    for (const { index, statement } of log.entries) {
      if (statement?.type !== 'state') continue;
      time = Math.max(time, statement.body.time);
      fold = Math.max(fold, statement.body.fold);
      need(fold <= NEWEST_FOLD, 'fold-unknown', `state ${index}`);
      this.states.push({ index, time, fold });
    }
  }

  run() {
    const shown = new Map(this.log.statements.map((s) => [s.index, s.records]));
    for (const { index, statement } of this.log.entries) {
      if (!statement) continue;
      if (this.needsClock(statement)) this.asked.add(index);
      try {
        this.judge(statement, index);
        statement.fault = null;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        statement.fault = error.code;
      }
      need(index > 0 || statement.fault === null, 'genesis-illegal', `entry 0: ${statement.fault}`);
      const records = shown.get(index);
      if (records) this.judgeRecords(statement, index, records);
    }
    this.decide();
  }

  // -- clock and fold number (SPEC §9.5, §9.6)

  stateFor(index) {
    this.asked.add(index);
    return this.states[Math.min(lowerBound(this.states, index, (s) => s.index), this.states.length - 1)];
  }

  clock(index) { return this.stateFor(index).time; }

  // A number never decreases: what an earlier state told is enough where it builds the type.
  foldAt(index) {
    const before = lowerBound(this.states, index, (s) => s.index) - 1;
    const told = Math.max(this.firstFold, before >= 0 ? this.states[before].fold : 0);
    return told >= 2 ? told : this.stateFor(index).fold;
  }

  // Whatever else is wrong with it (SPEC §12).
  needsClock({ type, by }) {
    if (type === 'recover') return true;
    const who = this.identities.get(by ? hex(by) : ""), pending = (x) => x?.events.at(-1).type === 'recover';
    if (!who || type === 'rotate' || type === 'retire') return pending(who);
    return pending(who) || Boolean(who.delegation && (who.delegation.body.scope?.until !== undefined || pending(this.identities.get(hex(who.of)))));
  }

  // Asked for whether an earlier state told that time already or not.
  clockReached(index, time) { return this.clock(index) >= time; }

  // Whether all entries from the one index to the other are at hand.
  allHeld(from, to) {
    const at = (index) => lowerBound(this.log.entries, index, (e) => e.index);
    return at(to) - at(from) === to - from;
  }

  runIsHeld(index) { return this.allHeld(index, this.states[lowerBound(this.states, index, (s) => s.index)].index); }

  // -- who says what, at an index

  get inRule() { return this.ruled.at(-1)[1]; }

  rulesAt(index) { return this.ruled[Math.max(0, lowerBound(this.ruled, index, (r) => r[0]) - 1)][1]; }

  static listed(rules, id) {
    return Object.keys(LISTABLE).some((list) => rules[list]?.some((x) => same(x, id)));
  }

  identity(id) { return this.identities.get(hex(id)) ?? refuse('identity-unknown', hex(id)); }

  // SPEC §7.2. A recover is pending for a week; what came before it is in force meanwhile.
  inForce(who, index) {
    const last = who.events.at(-1);
    return last.type !== 'recover' || this.clockReached(index, last.clock + WEEK_MS) ? last : last.basis;
  }

  takesEffect(event, index) {
    if (event.type !== 'recover') return event.index < index;
    return event.index < index && !event.vetoed && this.clockReached(index, event.clock + WEEK_MS);
  }

  // SPEC §7.4: the event that disowns a statement in order at the index, itself or by its delegation; or null.
  disowned(statement, index) {
    const { signer, keyEvent, keys, delegation } = statement;
    const own = signer.events.find((event) => event.kseq > keyEvent.kseq
      && event.compromised?.some(([key, from]) => statement.index >= from && keys.has(hex(key)))
      && this.takesEffect(event, index));
    return own ?? (delegation ? this.disowned(delegation, index) : null);
  }

  delegationOf(pair, index) {
    const d = pair.delegation, anchor = this.identity(pair.of);
    if (!d || anchor.retired) return null;
    this.inForce(anchor, index); // asks for the clock while a recover of the anchor is pending (SPEC §12)
    return this.disowned(d, index) ? null : d;
  }

  static anchorOf(who) { return who.role === 'pair' ? who.of : who.id; }

  // -- one entry (SPEC §9.2 from step 3 on)

  judge(s, index) {
    need((s.type === 'genesis') === (index === 0), 'misplaced', s.type);
    if (s.type === 'genesis') return this.genesis(s);
    if (s.type === 'state') return undefined;
    if (!BUILT_AT_FIRST.has(s.type)) need(this.foldAt(index) >= 2, 'not-yet', s.type);
    if (s.type === 'enrol') return this.enrol(s);
    if (KEY_EVENTS.has(s.type)) return this.keyEvent(s, index);
    return this.ordinary(s, index);
  }

  begin(s, role, logKeys) {
    const { keyset, next, recovery } = s.body, digest = keysetDigest(keyset);
    checkKeys(keyset);
    differ([digest, next, recovery]);
    const event = { id: s.id, kseq: 0, type: s.type, index: s.index, keyset, digest, next, recovery };
    const who = { id: s.id, role, of: s.body.of, events: [], keys: new Set(), digests: new Set(), logKeys, retired: false, delegation: null };
    return reveal(who, event);
  }

  genesis(s) {
    const { origin, vkeys, keyset, fold, rules } = s.body;
    need(fold <= NEWEST_FOLD, 'fold-unknown', 'genesis');
    need(same(s.log, tagged('log', vkeys[0])) && vkeys[0] === this.vkey.text, 'genesis-illegal', 'log id');
    const logKeys = new Set();
    for (const vkey of vkeys.map(parseVkey)) {
      need(vkeyHolds(vkey), 'key-refused', vkey.text);
      need(vkey.name === origin && !keyset.keys.some(([, key]) => same(key, vkey.key)), 'genesis-illegal', vkey.text);
      logKeys.add(hex(vkey.key));
    }
    const operator = this.begin(s, 'operator', logKeys);
    checkSignatures(s, { 0: keyset });
    this.operator = operator;
    this.firstFold = fold;
    this.identities.set(hex(s.id), operator);
    this.ruled.push([0, rules]);
  }

  enrol(s) {
    need(!this.identities.has(hex(s.id)), 'identity-exists', hex(s.id));
    const who = this.begin(s, s.body.role, new Set());
    if (who.of) {
      const anchor = this.identities.get(hex(who.of));
      need(anchor?.role === 'human', 'delegation-illegal', 'the anchor is no human');
      need(!anchor.retired, 'identity-retired', 'the anchor');
    }
    checkSignatures(s, { 0: s.body.keyset });
    this.identities.set(hex(s.id), who);
  }

  keyEvent(s, index) {
    const who = this.identity(s.by), last = who.events.at(-1), basis = this.inForce(who, index);
    const { keyset, next, recovery, compromised } = s.body, digest = keysetDigest(keyset);
    need(!who.retired, 'identity-retired', hex(s.by));
    need(s.kseq === last.kseq + 1 && same(s.prev, last.id), 'key-event-broken', hex(s.by));
    const pending = basis !== last, recover = s.type === 'recover';
    need(!recover || !pending, 'recovery-pending', hex(s.by));
    need(same(digest, recover ? basis.recovery : basis.next), 'commitment-differs', hex(s.by));
    checkKeys(keyset);
    if (s.type !== 'retire') differ([digest, next, recovery]);
    const illegal = (holds, what) => need(holds, 'keyset-illegal', what);
    for (const c of [next, recovery]) illegal(!c || !who.digests.has(hex(c)), 'commits to what was revealed');
    illegal(!recover || !same(next, basis.next), 'a recover with the same next');
    // The keys of a pending recover are free for the event that ends it.
    const free = new Set(pending ? keysOf(last.keyset) : []);
    const had = (key) => who.logKeys.has(key) || (who.keys.has(key) && !free.has(key));
    illegal(!keysOf(keyset).some(had), 'a key of an earlier keyset');
    for (const [key, from] of compromised ?? []) need(who.keys.has(hex(key)) && from < index, 'compromised-illegal', hex(key));
    // Only ed25519 is built, so no keyset drops an algorithm: the current keyset is never asked for.
    checkSignatures(s, { [recover ? 2 : 1]: keyset });
    if (pending) last.vetoed = true;
    const event = { id: s.id, kseq: s.kseq, type: s.type, index, keyset, digest, next, recovery, compromised, basis };
    if (recover) event.clock = this.clock(index);
    who.retired = s.type === 'retire';
    reveal(who, event);
  }

  ordinary(s, index) {
    const who = this.identity(s.by);
    need(!who.retired, 'identity-retired', hex(s.by));
    const event = this.inForce(who, index);
    need(same(s.key, event.id), 'key-not-in-force', hex(s.by));
    checkSignatures(s, { 0: event.keyset });
    Object.assign(s, { signer: who, keyEvent: event, keys: new Set(s.signatures.map(([, i]) => hex(event.keyset.keys[i][1]))) });
    const lane = this.lane(s);
    this.admit(s, who, index);
    if (s.type === 'artifacts') need(s.body.count <= (this.inRule.limits?.records ?? 65536), 'rules-exceeded', 'records');
    if (who.role === 'pair') this.speakAsPair(s, who, index);
    else need(s.type !== 'artifacts' || !s.body.delegation, 'schema', 'a delegation of no pair');
    this[s.type](s, who, index);
    this.lanes.set(lane, { seq: s.seq + 1, prev: s.id });
  }

  // SPEC §5.3, §12: what lies between the statements at hand is granted; what they contradict is not.
  lane(s) {
    const name = [s.by, s.key, s.lane].map(hex).join(' '), next = this.lanes.get(name);
    need(!next || s.seq > next.seq || (s.seq === next.seq && same(s.prev, next.prev)), 'lane-broken', name);
    return name;
  }

  // SPEC §5.4
  admit(s, who, index) {
    if (this.inRule.mode === 'open' || s.type === 'evidence' || who.role === 'operator' || Fold.listed(this.inRule, who.id)) return;
    const given = this.endorsements.get(hex(Fold.anchorOf(who)));
    const latest = (registrar) => given?.get(hex(registrar))?.findLast((e) => !this.disowned(e, index));
    const counting = (this.inRule.registrars ?? []).map(latest).filter((e) => e !== undefined);
    for (const e of counting) this.inForce(e.signer, index); // asks for the clock while a recover of his is pending (SPEC §12)
    const admits = ({ body }) => body.until === undefined || !this.clockReached(index, body.until);
    need(counting.filter(admits).length > 0, 'not-endorsed', hex(who.id));
  }

  // SPEC §7.3
  speakAsPair(s, pair, index) {
    const d = this.delegationOf(pair, index);
    need(d && (s.type !== 'artifacts' || same(s.body.delegation, d.id)), 'not-delegated', hex(pair.id));
    const { until, count } = d.body.scope ?? {};
    need(until === undefined || !this.clockReached(index, until), 'scope-exceeded', 'until');
    s.delegation = d;
    if (s.type !== 'artifacts') return;
    need(count === undefined || pair.used + s.body.count <= count, 'scope-exceeded', 'count');
    pair.used += s.body.count;
  }

  // -- by type (SPEC §9.2 step 8)

  artifacts() {}

  delegable(s, who) {
    const pair = this.identities.get(hex(s.body.pair));
    need(pair?.role === 'pair' && same(pair.of, who.id), 'delegation-illegal', hex(s.body.pair));
    need(!pair.retired, 'identity-retired', hex(pair.id));
    return pair;
  }

  delegate(s, who) {
    Object.assign(this.delegable(s, who), { delegation: s, used: 0 });
  }

  undelegate(s, who) {
    const pair = this.delegable(s, who);
    need(pair.delegation, 'delegation-illegal', 'not delegated');
    pair.delegation = null;
  }

  endorse(s, who) {
    need(who.role !== 'machine' && who.role !== 'pair', 'not-authorised', who.role);
    if (s.body.log) return need(!same(s.body.log, s.log), 'endorsement-illegal', 'this log');
    const subject = this.identity(s.body.subject);
    need(subject !== who && !(subject.of && same(subject.of, who.id)), 'endorsement-illegal', 'of himself');
    const given = this.endorsements.get(hex(subject.id)) ?? new Map(), name = hex(who.id);
    if (!given.has(name)) given.set(name, []);
    given.get(name).push(s);
    this.endorsements.set(hex(subject.id), given);
  }

  attest(s, who, index) {
    need(who.role !== 'machine', 'not-authorised', who.role);
    this.sayOf(s, index);
  }

  notice(s, who, index) {
    const { act, cancels, subjects } = s.body;
    s.listed = Fold.listed(this.inRule, who.id);
    if (act === 'hold' || act === 'dispute') need(s.listed, 'not-authorised', act);
    if (act === 'hold') this.holds.set(hex(s.id), s);
    if (act === 'release') {
      const hold = this.holds.get(hex(cancels)), name = ([id, row]) => `${hex(id)} ${row}`;
      const held = new Set(hold?.body.subjects.map(name));
      need(hold?.signer === who && subjects.every((x) => held.has(name(x))), 'notice-illegal', 'no such hold');
    }
    this.sayOf(s, index);
  }

  // SPEC §9.2 step 9: a subject that does not stand before is a fault of that subject alone.
  sayOf(s, index) {
    for (const [id, row] of s.body.subjects) {
      const artifact = this.log.artifacts.get(hex(id)), before = artifact?.first && artifact.first.index < index;
      if (before) this.sayOfOne(s, artifact, row, true);
      else if (artifact) this.undecided.push([s, artifact, row]);
    }
  }

  // Where an artifact stands only behind what is said of it, an earlier place may have been left out: what speaks
  // against it counts then, so that nobody undoes it so (SPEC §12).
  decide() {
    for (const [s, artifact, row] of this.undecided) {
      const against = s.type === 'attest' ? s.body.result === 'refuted' : s.body.act !== 'release';
      if (artifact.first && against) this.sayOfOne(s, artifact, row, false);
    }
    for (const { attests } of this.log.artifacts.values()) attests.sort((a, b) => a.s.index - b.s.index);
  }

  sayOfOne(s, artifact, row, decided) {
    const { record, erased } = artifact;
    if (row !== undefined && !erased && !(record?.form === 'rows' && row < record.facts.count)) return;
    if (s.type === 'attest') {
      artifact.attests.push({ s, row, claim: s.body.claim, result: s.body.result });
      return;
    }
    const { act } = s.body, byMaker = (act === 'retract' || act === 'erase') && this.answersFor(s.signer, artifact);
    if (s.listed || byMaker || act === 'release') artifact.notices.push({ s, row, act, byMaker, decided });
  }

  // Its maker if that is no pair, or the anchor of a pair that made it (SPEC §5.3).
  answersFor(who, artifact) {
    const maker = this.identities.get(hex(artifact.record?.maker ?? artifact.first.statement.by));
    return maker !== undefined && same(Fold.anchorOf(maker), who.id);
  }

  rules(s, who) {
    need(who.role === 'operator', 'not-authorised', 'rules');
    need(!s.body.vkeys, 'not-yet', 'vkeys');
    for (const [list, role] of Object.entries(LISTABLE)) {
      for (const id of s.body[list] ?? []) need(this.identity(id).role === role, 'role-illegal', hex(id));
    }
    this.ruled.push([s.index, s.body]);
  }

  // SPEC §7.5
  evidence(s, _, index) {
    const [first, second] = s.sides, who = this.identity(first.by);
    need(!who.retired, 'identity-retired', hex(first.by));
    const event = this.inForce(who, index), invalid = (holds, what) => need(holds, 'evidence-invalid', what);
    invalid(who.contested !== event, 'told before');
    let asked = () => ({ 0: event.keyset });
    if (first.ordinary) need(same(first.key, event.id), 'key-not-in-force', hex(first.by));
    else {
      const basis = this.forkedFrom(who, event, s.sides);
      invalid(same(keysetDigest(first.body.keyset), keysetDigest(second.body.keyset)), 'two keysets');
      asked = ({ type, body }) => {
        invalid(same(keysetDigest(body.keyset), type === 'recover' ? basis.recovery : basis.next), 'another commitment');
        return { [type === 'recover' ? 2 : 1]: body.keyset };
      };
    }
    for (const side of s.sides) {
      try {
        checkSignatures(side, asked(side));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        invalid(false, error.message);
      }
    }
    who.contested = event;
  }

  // The event whose commitments two key events at one place had to meet.
  forkedFrom(who, event, sides) {
    const last = who.events.at(-1), [{ kseq }] = sides;
    const follow = (before) => sides.every((x) => same(x.prev, before?.id));
    if (kseq === last.kseq + 1 && follow(last)) return event;
    const told = kseq === last.kseq && sides.some((x) => same(x.id, last.id)) && follow(who.events.at(-2));
    need(told, 'key-event-broken', 'the payloads do not continue the key events');
    return last.basis;
  }

  // -- records (SPEC §9.2 step 9)

  judgeRecords(s, index, records) {
    if (s.fault !== null) {
      for (const { place } of records) place.fault = s.fault;
      return;
    }
    for (const { artifact, place } of records) artifact.first ??= place;
    const seen = new Set();
    for (const { artifact, place } of records) {
      try {
        need(!seen.has(artifact), 'record-duplicate', artifact.name);
        seen.add(artifact);
        if (!artifact.erased) this.judgeRecord(s, index, artifact, place.recordIndex);
        place.fault = null;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        place.fault = error.code;
      }
    }
  }

  judgeRecord(s, index, { record, fault }, recordIndex) {
    if (fault) refuse(fault, 'record');
    need(same(record.maker, s.by), 'maker-differs', hex(record.maker));
    checkRole(record, s.signer.role, s.delegation?.body.scope);
    for (const p of record.parents) {
      need(!same(p.log, s.log), 'schema', 'this log as another one');
      if (p.log) continue;
      const parent = this.log.artifacts.get(hex(p.id));
      if (!parent) continue; // undecided, not at fault (SPEC §9.1)
      const { first } = parent;
      need(first && (first.index < index || (first.index === index && first.recordIndex < recordIndex)), 'parent-unknown', parent.name);
      checkParentKind(record, p, parent.record);
    }
  }
}
