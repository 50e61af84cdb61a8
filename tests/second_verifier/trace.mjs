// What the entries and records of one log in a file come to (SPEC §12, §12.3), for who trusts that log alone (SPEC §12.1).
import { WEEK_MS, hex, lowerBound, need, same } from './base.mjs';
import { topicName } from './file.mjs';
import { Fold } from './fold.mjs';

const PROPAGATES = new Set(['derived-from', 'distilled-from', 'generated-by', 'trained-on']);
const LEADS_TO_HUMANS = new Set([...PROPAGATES, 'quotes']);
const STANDINGS = ['unknown', 'retracted', 'quarantined', 'conditional', 'released']; // from the least on
const [UNKNOWN, RETRACTED, QUARANTINED, CONDITIONAL, RELEASED] = STANDINGS.keys();

export class Trace {
  constructor(log, vkey) {
    this.log = log;
    this.fold = new Fold(log, vkey);
    this.fold.run();
    this.listedNow = (id) => Fold.listed(this.fold.inRule, id);
    this.shown = new Set(log.topics.map((t) => topicName(t[0], t.subarray(1))));
    this.reached = this.reach();
    this.checkComplete();
    for (const artifact of log.artifacts.values()) this.settle(artifact);
    for (const artifact of log.artifacts.values()) this.sayOwn(artifact);
    this.passedOn = new Map();
  }

  artifact(id) { return this.log.artifacts.get(hex(id)); }

  // Everything that a subject reaches over whatever relation, in this log.
  reach() {
    const reached = new Map(), open = [];
    const visit = (id) => {
      const name = hex(id);
      if (reached.has(name)) return;
      reached.set(name, this.log.artifacts.get(name) ?? null);
      open.push(reached.get(name));
    };
    for (const a of this.log.artifacts.values()) if (a.subject) visit(a.id);
    for (const set of this.log.rows) visit(set.id);
    while (open.length > 0) for (const p of open.pop()?.record?.parents ?? []) if (!p.log) visit(p.id);
    return reached;
  }

  // -- what the trace asks for (SPEC §12); what the file does not hold of it makes it incomplete (SPEC §11.2 step 6)

  on(topic, subject) { return this.log.chains.get(topicName(topic, subject))?.statements ?? []; }

  checkComplete() {
    const { log, fold } = this;
    // Who is not the operator lists nobody, whatever he signs.
    const ruled = this.on(6, log.id).filter((s) => s.type === 'genesis' || same(s.by, fold.operator.id));
    const listed = new Set(ruled.flatMap((s) => [...(s.body.registrars ?? []), ...(s.body.curators ?? [])]).map(hex));
    const isListed = (s) => listed.has(hex(s.by));
    const admission = ruled.some((s) => s.type === 'rules' && s.body.mode !== 'open');
    const asked = new Set(); // topics, by name
    const open = [];
    const ask = (topic, id) => {
      if (asked.has(topicName(topic, id))) return;
      asked.add(topicName(topic, id));
      open.push([topic, id]);
    };
    const speaker = (id) => {
      const of = this.ofOf(id);
      ask(1, id);
      if (of) ask(2, id);
      if (of) ask(1, of);
      if (admission) ask(3, of ?? id); // what admits a pair is said of its anchor
    };
    const subject = (id) => {
      speaker(id);
      for (const x of [id, this.ofOf(id) ?? id]) for (const topic of [3, 4]) ask(topic, x);
    };
    const taken = (s) => {
      this.judged(s.index);
      if (s.type === 'recover' && s.fault === null && same(fold.identity(s.by).events.at(-1).id, s.id)) this.weekHeld(s.index);
      speaker(s.type === 'genesis' || s.type === 'enrol' ? s.id : s.by);
    };
    for (const s of ruled) taken(s);
    for (const id of listed) speaker(Buffer.from(id, 'hex'));
    for (const artifact of this.reached.values()) if (artifact) this.askOf(artifact, isListed, speaker, subject, taken);
    while (open.length > 0) {
      const [topic, id] = open.pop(), of = this.ofOf(id);
      need(this.shown.has(topicName(topic, id)), 'proof-incomplete', `topic ${topic} of ${hex(id)}`);
      for (const s of this.on(topic, id)) if (topic === 2 ? same(s.by, of) : topic !== 3 || isListed(s)) taken(s);
    }
  }

  askOf(artifact, isListed, speaker, subject, taken) {
    const { fold } = this, own = new Set(), isTold = this.on(5, artifact.id).length + this.on(7, artifact.id).length > 0;
    const maker = artifact.record?.maker; // who answers for it, though another signed it
    if (maker && isTold) {
      speaker(maker);
      own.add(hex(maker)).add(hex(this.ofOf(maker) ?? maker));
    }
    for (const { statement: s, fault } of artifact.places) {
      this.judged(s.index);
      subject(s.by);
      own.add(hex(s.by)).add(hex(this.ofOf(s.by) ?? s.by));
      const event = fault === null ? fold.disowned(s, fold.end) : null;
      if (event) for (const index of [s.index, event.index]) this.runHeld(index); // its lateness is told
    }
    for (const s of this.on(5, artifact.id)) if (isListed(s) || own.has(hex(s.by))) taken(s);
    for (const s of this.on(7, artifact.id)) {
      if (!isListed(s) && !this.isEndorsed(s.by)) continue;
      taken(s);
      subject(s.by);
    }
    if (!artifact.erased) return;
    for (const { s, act, row, decided } of artifact.notices) {
      if (act !== 'erase' || row !== undefined || !decided) continue;
      this.weekHeld(s.index);
    }
  }

  // All entries to the first state that says that a week is over, or to the last.
  weekHeld(index) {
    const { states } = this.fold, due = states[lowerBound(states, this.fold.clock(index) + WEEK_MS, (x) => x.time)] ?? states.at(-1);
    need(this.fold.allHeld(index, due.index), 'proof-incomplete', `entries of the week behind ${index}`);
  }

  // Whether a registrar whom the rules in force list ever endorsed him: who leaves that out might hide an attestor.
  isEndorsed(id) {
    const registrars = new Set((this.fold.inRule.registrars ?? []).map(hex));
    if (registrars.size === 0) return false;
    need(this.shown.has(topicName(3, id)), 'proof-incomplete', `topic 3 of the attestor ${hex(id)}`);
    return this.on(3, id).some((s) => registrars.has(hex(s.by)));
  }

  // Of an entry that counts, all entries to the next state are at hand if its clock or fold number was asked for.
  judged(index) { if (this.fold.asked.has(index)) this.runHeld(index); }

  runHeld(index) { need(this.fold.runIsHeld(index), 'proof-incomplete', `entries from ${index} to the next state`); }

  // The anchor that a pair's enrolment names, whether the enrolment is in order or not.
  ofOf(id) {
    return this.on(1, id).find((s) => s.type === 'enrol' && same(s.id, id))?.body.of;
  }

  // -- the facts of an artifact (SPEC §7.4, §7.6, §12)

  settle(artifact) {
    const { fold } = this, inOrder = artifact.places.filter((p) => p.fault === null);
    artifact.erasures = artifact.notices.filter((x) => x.act === 'erase' && x.row === undefined && x.decided);
    artifact.attests = this.countingAttests(artifact);
    artifact.notices = this.countingNotices(artifact);
    const stands = inOrder.find((p) => !fold.disowned(p.statement, fold.end));
    const rescued = stands === undefined && inOrder.length > 0 && this.isRescued(artifact, inOrder[0].statement.signer);
    artifact.place = stands ?? (rescued ? inOrder[0] : null);
    artifact.presence = artifact.erased ? 'erased' : inOrder.length === 0 ? 'faulty' : artifact.place ? 'stands' : 'disowned';
    artifact.isDisowned = inOrder.length > 0 && artifact.place === null;
    artifact.withheld = artifact.erased && !this.mayBeErased(artifact);
  }

  // Attestors are whoever is listed, and whom a listed registrar endorses (SPEC §12.1): by rules and clock at the end.
  isAttestor({ id }) {
    if (this.listedNow(id)) return true;
    const { fold } = this, given = this.shown.has(topicName(3, id)) ? fold.endorsements.get(hex(id)) : undefined;
    return (fold.inRule.registrars ?? []).some((registrar) => {
      const latest = given?.get(hex(registrar))?.findLast((e) => !fold.disowned(e, fold.end));
      return latest !== undefined && !(latest.body.until <= fold.clock(fold.end));
    });
  }

  // Of each issuer the latest of a subject and claim, disowned ones apart.
  countingAttests({ attests }) {
    const latest = new Map();
    for (const a of attests) {
      const who = a.s.signer;
      if (this.isAttestor(who) && !this.fold.disowned(a.s, this.fold.end)) latest.set(`${hex(who.id)} ${a.row} ${a.claim}`, a);
    }
    return [...latest.values()];
  }

  countingNotices({ notices }) {
    const { fold } = this, counting = notices.filter((x) => !fold.disowned(x.s, fold.end));
    const released = new Set(counting.filter((x) => x.act === 'release').map((x) => `${hex(x.s.body.cancels)} ${x.row}`));
    return counting.filter((x) => x.act !== 'release' && (x.byMaker || this.listedNow(x.s.signer.id))
      && !(x.act === 'hold' && released.has(`${hex(x.s.id)} ${x.row}`)));
  }

  isRescued(artifact, maker) {
    return artifact.attests.some((a) => a.row === undefined && a.claim === 'authorship' && a.result === 'confirmed'
      && this.listedNow(a.s.signer.id) && !same(Fold.anchorOf(a.s.signer), Fold.anchorOf(maker)));
  }

  // The key event under which somebody is contested still (SPEC §7.5); a retire does not end it.
  contestedUnder(who) {
    const last = who.events.at(-1), event = last.type === 'retire' ? last.basis : this.fold.inForce(who, this.fold.end);
    return who.contested === event ? event : null;
  }

  // SPEC §8.2: by an erase of the whole that still counted when its week was over.
  mayBeErased(artifact) {
    const { fold } = this, { states } = fold;
    return artifact.erasures.some(({ s, byMaker }) => {
      const due = fold.clock(s.index) + WEEK_MS, at = lowerBound(states, due, (x) => x.time);
      if (at === states.length) return false;
      const index = at === 0 ? 0 : states[at - 1].index + 1;
      return !fold.disowned(s, index) && (byMaker || Fold.listed(fold.rulesAt(index), s.signer.id));
    });
  }

  // -- level and own status (SPEC §12)

  sayOwn(artifact) {
    const { notices, place } = artifact, ofWhole = notices.filter((x) => x.row === undefined).map((x) => x.act);
    artifact.contested = place !== null && this.contestedUnder(place.statement.signer) === place.statement.keyEvent;
    artifact.gap = (artifact.record?.parents ?? []).some((p) => !p.log && (this.artifact(p.id)?.withheld ?? true));
    const { role } = place?.statement.signer ?? {}, anchored = artifact.record?.stance === 'made' && (role === 'human' || role === 'pair');
    // Behind a gap nobody can tell whether it breaks a rule.
    artifact.level = artifact.erased || artifact.presence === 'faulty' || artifact.gap ? 'L0' : anchored ? 'L2' : 'L1';
    const applies = [
      ['retracted', ofWhole.includes('retract') || ofWhole.includes('erase')],
      ['disowned', artifact.isDisowned],
      ['quarantined', ofWhole.includes('hold') || artifact.contested],
      ['unknown', artifact.erased || artifact.presence === 'faulty' || artifact.gap],
      ['conditional', ofWhole.includes('dispute') || notices.length > ofWhole.length],
      ['released', true],
    ];
    artifact.status = applies.find((x) => x[1])[0];
  }

  // -- standing (SPEC §12.3): own and own' of an artifact, or of one row of it

  own(artifact, row) {
    if (!artifact || artifact.presence !== 'stands' || artifact.gap) return [UNKNOWN, UNKNOWN];
    if (row !== undefined && !(artifact.record.form === 'rows' && row < artifact.record.facts.count)) return [UNKNOWN, UNKNOWN];
    let own = artifact.contested ? QUARANTINED : RELEASED, passed = own;
    const meet = (a, b = a) => { own = Math.min(own, a); passed = Math.min(passed, b); };
    for (const x of artifact.notices) {
      if (x.row !== undefined && x.row !== row) {
        if (row === undefined) meet(CONDITIONAL);
      } else if (x.act === 'dispute') meet(CONDITIONAL);
      else if (x.byMaker) meet(RETRACTED, CONDITIONAL);
      else meet(x.act === 'hold' ? QUARANTINED : RETRACTED);
    }
    for (const a of artifact.attests) {
      if (a.result === 'refuted' && (a.row === undefined || row === undefined || a.row === row)) meet(CONDITIONAL);
    }
    return [own, passed];
  }

  edges(artifact) {
    return (artifact?.record?.parents ?? []).filter((p) => PROPAGATES.has(p.rel)).map((p) => {
      const parent = p.log ? null : this.artifact(p.id) ?? null;
      return { parent, row: p.row, name: `${p.log ? 'another log ' : ''}${hex(p.id)} ${p.row}`, cap: p.rel === 'trained-on' ? CONDITIONAL : RELEASED };
    });
  }

  // passed(v), without recursion: an ancestry may be as deep as the file is long.
  passed(start) {
    const open = [start];
    while (open.length > 0) {
      const { parent, row, name } = open.at(-1);
      if (this.passedOn.has(name)) { open.pop(); continue; }
      const edges = this.edges(parent), missing = edges.filter((e) => !this.passedOn.has(e.name));
      if (missing.length > 0) { open.push(...missing); continue; }
      open.pop();
      this.passedOn.set(name, this.meetParents(this.own(parent, row)[1], edges));
    }
    return this.passedOn.get(start.name);
  }

  meetParents(own, edges) {
    return edges.reduce((least, e) => Math.min(least, this.passedOn.get(e.name), e.cap), own);
  }

  standing(artifact) {
    const edges = this.edges(artifact);
    edges.forEach((e) => this.passed(e));
    return STANDINGS[this.meetParents(this.own(artifact)[0], edges)];
  }

  // -- the people who answer for an ancestry (SPEC §12)

  people(subject) {
    const humans = new Set(), authors = new Set(), seen = new Set([subject]), open = [subject];
    while (open.length > 0) {
      const { record, place, presence } = open.pop();
      if (presence !== 'stands') continue;
      const { signer, delegation } = place.statement, anchor = hex(Fold.anchorOf(signer));
      if (record.stance === 'made' && (signer.role === 'human' || signer.role === 'pair')) {
        humans.add(anchor);
        const wrote = record.kind === 'work' || record.kind === 'experience';
        if (wrote && record.human !== 0 && (!delegation || delegation.body.scope?.human)) authors.add(anchor);
      }
      for (const p of record.parents) {
        const parent = p.log || !LEADS_TO_HUMANS.has(p.rel) ? undefined : this.artifact(p.id);
        if (!parent || seen.has(parent)) continue;
        seen.add(parent);
        open.push(parent);
      }
    }
    return { humans: [...humans].sort(), authors: [...authors].sort() };
  }

  describe(artifact) {
    const { presence, status, level } = artifact;
    return { presence, status, standing: this.standing(artifact), level, ...this.people(artifact) };
  }

  subjects() {
    const whole = [...this.log.artifacts.values()].filter((a) => a.subject).map((a) => ({ id: a.name, row: null, ...this.describe(a) }));
    const sets = this.log.rows.map((set) => ({ id: hex(set.id), rows: set.ranges, ...this.describe(this.artifact(set.id)) }));
    return [...whole, ...sets];
  }

  nodes() {
    return Object.fromEntries([...this.reached].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, a]) =>
      [name, a ? { presence: a.presence, status: a.status, level: a.level } : { presence: 'unproved', status: 'unknown', level: 'L0' }]));
  }
}
