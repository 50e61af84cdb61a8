// The bytes of an ancestry proof (SPEC §11.2): its layout, and the steps 1 to 5 and 7 that need no fold.
import { Refused, ascending, hex, lowerBound, need, refuse, same, tagged, u64, u8 } from './base.mjs';
import { checkConsistency, checkMultiproof, checkStatusProof, leafHash } from './merkle.mjs';
import { checkCheckpoint, parseCheckpoint } from './note.mjs';
import { parseRecord } from './records.mjs';
import { keysetDigest, parseEntry, topicsOf } from './schema.mjs';

const MAGIC = 'lineage/ancestry/v1\n';
const valid = (holds, what) => need(holds, 'proof-invalid', what);

class Reader {
  constructor(bytes) {
    this.b = bytes;
    this.at = 0;
  }

  take(n) {
    // What a header claims is allocated only as far as it is there.
    valid(n <= this.b.length - this.at, 'cut short');
    this.at += n;
    return this.b.subarray(this.at - n, this.at);
  }

  u8() { return this.take(1)[0]; }
  u16() { return this.take(2).readUInt16BE(); }
  u32() { return this.take(4).readUInt32BE(); }
  u64() {
    const v = this.take(8).readBigUInt64BE();
    valid(v <= 2n ** 48n, 'a size beyond every tree');
    return Number(v);
  }
  sized() { return this.take(this.u32()); }
  many(count, item) {
    const items = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }
  hashes() { return this.many(this.u32(), () => this.take(32)); }
}

const growing = (numbers, what) => valid(numbers.every((n, i) => i === 0 || numbers[i - 1] < n), `${what}: order`);

function readRecord(r) {
  const index = r.u32(), what = r.u8(), kind = what & 0x7f;
  valid(kind <= 2 && what !== 0x82, 'what a record is');
  const record = { index, subject: what >= 0x80 };
  if (kind === 0) {
    record.bytes = r.take(r.u16());
    valid(record.bytes.length > 0, 'an empty record');
    record.id = leafHash(record.bytes);
  } else if (kind === 1) record.id = r.take(32);
  else record.earlier = r.u32();
  return record;
}

function readStatement(r) {
  const index = r.u64(), count = r.u32();
  valid(count >= 1, 'a statement without records');
  const records = r.many(count, () => readRecord(r));
  growing(records.map((x) => x.index), 'records');
  return { index, records, proof: r.hashes() };
}

function readRows(r) {
  const id = r.take(32), count = r.u32();
  valid(count >= 1, 'a set without rows');
  const ranges = r.many(count, () => [r.u32(), r.u32()]);
  valid(ranges.every(([first, n], i) => n >= 1 && (i === 0 || first > ranges[i - 1][0] + ranges[i - 1][1])), 'ranges');
  const proof = r.hashes();
  // The digests are kept as one piece; their number is what the ranges add up to.
  return { id, ranges, proof, digests: r.take(32 * ranges.reduce((sum, [, n]) => sum + n, 0)) };
}

function readLog(r) {
  const log = { id: r.take(32), note: r.sized() };
  valid(log.note.length > 0, 'no log checkpoint');
  log.points = r.many(r.u8(), () => ({ size: r.u64(), root: r.take(32), note: r.sized(), proof: r.hashes() }));
  valid(log.points.length <= 64, 'too many points');
  growing(log.points.map((p) => p.size), 'points');
  log.entries = r.many(r.u32(), () => ({ index: r.u64(), bytes: r.take(r.u16()) }));
  valid(log.entries.length > 0 && log.entries.every((e) => e.bytes.length > 0), 'entries');
  growing(log.entries.map((e) => e.index), 'entries');
  log.proof = r.hashes();
  log.topics = r.many(r.u32(), () => r.take(33));
  valid(ascending(log.topics) && log.topics.every((t) => t[0] >= 1 && t[0] <= 4), 'topics');
  log.status = r.sized();
  log.statements = r.many(r.u32(), () => readStatement(r));
  growing(log.statements.map((s) => s.index), 'statements');
  log.rows = r.many(r.u32(), () => readRows(r));
  valid(ascending(log.rows.map((x) => x.id)), 'rows: order');
  return log;
}

export function parseFile(bytes) {
  const r = new Reader(bytes);
  valid(r.take(MAGIC.length).equals(Buffer.from(MAGIC)), 'no ancestry proof');
  const number = r.u8();
  valid(number >= 1 && number <= 16, 'number of logs');
  const logs = r.many(number, () => readLog(r));
  valid(ascending(logs.map((log) => log.id)), 'logs: order');
  const disclosed = r.many(r.u16(), () => ({ name: r.take(33), salt: r.take(32), bytes: r.sized() }));
  valid(ascending(disclosed.map((d) => d.name)), 'disclosed: order');
  for (const d of disclosed) valid((d.name[0] === 1 || d.name[0] === 2) && d.bytes.length >= 1 && d.bytes.length <= 4_194_304, 'disclosed');
  valid(r.at === bytes.length, 'bytes behind the last part');
  return { logs, disclosed };
}

// What the parts of a log say of each other, still step 1. Of a log that is not known nothing is looked at.
export function understand(log) {
  log.checkpoint = parseCheckpoint(log.note);
  const n = log.checkpoint.size;
  for (const p of log.points) {
    valid(p.size >= 1 && p.size < n, 'size of a point');
    if (p.note.length === 0) continue;
    p.checkpoint = ofPoint(() => parseCheckpoint(p.note));
    valid(p.checkpoint.origin === log.checkpoint.origin && p.checkpoint.size === p.size && same(p.checkpoint.root, p.root), 'note of a point');
  }
  valid(log.entries[0].index === 0 && log.entries.at(-1).index === n - 1, 'first and last entry');
  for (const e of log.entries) e.statement = wellFormed(e, log.id);
  placeRecords(log);
  for (const set of log.rows) {
    const { record } = log.artifacts.get(hex(set.id)) ?? refuse('proof-invalid', 'rows of no record above');
    valid(record?.form === 'rows', 'rows of a record of another form');
    const [first, count] = set.ranges.at(-1);
    valid(first + count <= 1_048_576, 'rows behind the last that any set may have');
    need(first + count <= record.facts.count, 'multiproof-invalid', 'rows behind the last');
    set.record = record;
  }
}

// Whatever is wrong with the note of a point is a fault of the file (step 2).
function ofPoint(look) {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refuse('proof-invalid', `note of a point: ${error.message}`);
  }
}

function wellFormed(e, logId) {
  try {
    return { ...parseEntry(e.bytes, logId), index: e.index };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return null; // it stands in the log and means nothing (SPEC §9.2 step 1)
  }
}

export const entryAt = (log, index) => {
  const e = log.entries[lowerBound(log.entries, index, (x) => x.index)];
  return e?.index === index ? e : null;
};

function placeRecords(log) {
  log.artifacts = new Map();
  const all = [];
  for (const shown of log.statements) {
    shown.statement = entryAt(log, shown.index)?.statement ?? null;
    valid(shown.statement?.type === 'artifacts', 'records of no artifacts entry');
    need(shown.records.at(-1).index < shown.statement.body.count, 'multiproof-invalid', 'a record behind the last');
    for (const x of shown.records) {
      if (x.earlier !== undefined) {
        const earlier = x.earlier < all.length ? all[x.earlier] : null;
        valid(earlier && earlier.earlier === undefined, 'no such earlier record');
        x.artifact = earlier.artifact;
      } else x.artifact = newArtifact(log, x);
      all.push(x);
      const place = { index: shown.index, recordIndex: x.index, statement: shown.statement, fault: 'unjudged' };
      x.artifact.places.push(place);
      x.place = place;
    }
  }
}

function newArtifact(log, { id, bytes, subject }) {
  const name = hex(id);
  valid(!log.artifacts.has(name), 'an artifact twice');
  const artifact = { id, name, subject, erased: bytes === undefined, record: null, places: [], notices: [], attests: [] };
  if (bytes) {
    try {
      artifact.record = parseRecord(bytes);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      artifact.fault = error.code;
    }
  }
  log.artifacts.set(name, artifact);
  return artifact;
}

// Steps 2 to 5 of SPEC §11.2, for a log whose vkey is at hand.
export function checkLog(log, vkey) {
  const { size, root } = log.checkpoint;
  checkCheckpoint(log.checkpoint, vkey);
  for (const p of log.points) {
    checkConsistency(p.size, p.root, size, root, p.proof);
    if (p.checkpoint) ofPoint(() => checkCheckpoint(p.checkpoint, vkey));
  }
  for (const e of log.entries) e.leaf = leafHash(e.bytes);
  checkMultiproof(size, log.entries.map((e) => [e.index, e.leaf]), log.proof, root);
  const last = log.entries.at(-1).statement;
  need(last?.type === 'state', 'state-wrong', 'the last entry is no state');
  checkStatus(log, last.body.root);
  for (const s of log.statements) {
    checkMultiproof(s.statement.body.count, s.records.map((x) => [x.index, x.artifact.id]), s.proof, s.statement.body.root);
  }
  for (const set of log.rows) {
    const leaves = [];
    for (const [first, count] of set.ranges) {
      for (let i = 0; i < count; i++) leaves.push([first + i, leafHash(set.digests.subarray(32 * leaves.length, 32 * leaves.length + 32))]);
    }
    checkMultiproof(set.record.facts.count, leaves, set.proof, set.record.content);
  }
}

export const topicName = (topic, subject) => `${topic} ${hex(subject)}`;

function checkStatus(log, root) {
  const chains = new Map(); // every topic on which the file has an entry
  for (const { index, leaf, statement } of log.entries) {
    for (const [topic, subject] of statement ? topicsOf(statement) : []) {
      const name = topicName(topic, subject), chain = chains.get(name) ?? { count: 0, head: Buffer.alloc(32), statements: [] };
      chain.head = tagged('chain', chain.head, u64(index), leaf);
      chain.count += 1;
      chain.statements.push(statement);
      chains.set(name, chain);
    }
  }
  log.chains = chains;
  const wanted = [[6, log.id], ...log.topics.map((t) => [t[0], t.subarray(1)])];
  for (const { id } of log.artifacts.values()) wanted.push([5, id], [7, id]);
  const keys = wanted.map(([topic, subject]) => {
    const chain = chains.get(topicName(topic, subject));
    return [tagged('topic', u8(topic), subject), chain ? tagged('chain-value', u64(chain.count), chain.head) : null];
  });
  checkStatusProof(log.status, keys.sort((a, b) => Buffer.compare(a[0], b[0])), root);
}

// Step 7.
export function checkDisclosed(disclosed, log) {
  for (const { name, salt, bytes } of disclosed) {
    const id = name.subarray(1);
    valid((name[0] === 1 ? contentFits : profileFits)(log, id, salt, bytes), 'a disclosed part that nothing names');
  }
}

function contentFits(log, id, salt, bytes) {
  const record = log.artifacts.get(hex(id))?.record;
  if (record?.form !== 'sealed') return false;
  let size = 32;
  while (size < bytes.length) size *= 2;
  return record.size === size && same(record.content, tagged('sealed', record.maker, salt, bytes));
}

function profileFits(log, id, salt, bytes) {
  const enrolment = log.chains.get(topicName(1, id))?.statements.find((s) => s.type === 'enrol');
  return enrolment !== undefined && same(enrolment.body.profile, tagged('profile', keysetDigest(enrolment.body.keyset), salt, bytes));
}
