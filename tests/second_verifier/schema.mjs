// Entries and payloads: what is well-formed (SPEC §5, §7.1, §8). Everything is judged by bytes alone.
import { PPM, ascending, need, refuse, same, tagged } from './base.mjs';
import { decode, encode } from './msgpack.mjs';
import { isOrigin, parseVkey } from './note.mjs';

const no = (path) => refuse('schema', path);

// A type is a function (value, path) that throws unless the value is of it.
export const int = (low = 0, high = Number.MAX_SAFE_INTEGER) => (v, path) =>
  typeof v === 'number' && v >= low && v <= high || no(path);
export const bin = (low, high = low) => (v, path) => Buffer.isBuffer(v) && v.length >= low && v.length <= high || no(path);
export const code = (...words) => (v, path) => words.includes(v) || no(path);
// A newline at the end does not match (SPEC §3.1): `$` without the flag `m` is the very end in JavaScript.
export const text = (pattern, most) => (v, path) => typeof v === 'string' && v.length <= most && pattern.test(v) || no(path);
export const list = (item, low, high, ordered = null) => (v, path) => {
  if (!Array.isArray(v) || v.length < low || v.length > high) no(path);
  v.forEach((x, i) => item(x, `${path}[${i}]`));
  if (ordered && !ascending(v.map((x) => encode(ordered(x))))) no(`${path}: order`);
};
const whole = (x) => x;
export const tuple = (...items) => (v, path) => {
  if (!Array.isArray(v) || v.length !== items.length) no(path);
  items.forEach((item, i) => item(v[i], `${path}[${i}]`));
};
// Keys that end in `?` are optional; `least` is how many stand.
export const map = (fields, least = 0) => (v, path) => {
  if (v === null || typeof v !== 'object' || Array.isArray(v) || Buffer.isBuffer(v)) no(path);
  for (const name of Object.keys(fields)) if (!name.endsWith('?') && v[name] === undefined) no(`${path}.${name} is missing`);
  const keys = Object.keys(v);
  if (keys.length < least) no(path);
  for (const key of keys) {
    const type = Object.hasOwn(fields, key) ? fields[key] : Object.hasOwn(fields, `${key}?`) ? fields[`${key}?`] : null;
    if (type === null || key.endsWith('?')) no(`${path}.${key}`);
    type(v[key], `${path}.${key}`);
  }
};

export const ID = bin(32), NAME = text(/^[A-Za-z0-9][A-Za-z0-9._/@:+-]*$/, 64), COUNT = int(1), MS = int();
export const KINDS = ['work', 'experience', 'abstract', 'output', 'derived', 'model', 'dataset'];
export const MAX_ROWS = 1_048_576;
export const DIGESTS = list(ID, 1, 64, whole);

const KEY_SIZES = { ed25519: 32, 'ml-dsa-44': 1312 };

function keyset(v, path) {
  const illegal = (holds) => need(holds, 'keyset-illegal', path);
  map({ keys: list(tuple(code(...Object.keys(KEY_SIZES)), bin(1, 65535)), 1, 8), thresholds: map({ 'ed25519?': COUNT, 'ml-dsa-44?': COUNT }, 1) })(v, path);
  illegal(ascending(v.keys.map(encode)));
  const numbers = Object.create(null);
  for (const [algorithm, key] of v.keys) {
    illegal(key.length === KEY_SIZES[algorithm]);
    numbers[algorithm] = (numbers[algorithm] ?? 0) + 1;
  }
  illegal((numbers['ml-dsa-44'] ?? 0) <= 2);
  illegal(Object.keys(numbers).length === Object.keys(v.thresholds).length);
  for (const a of Object.keys(numbers)) illegal(v.thresholds[a] !== undefined && v.thresholds[a] <= numbers[a]);
}

export const keysetDigest = (v) => tagged('keyset', encode(v));

const VKEYS = (v, path) => {
  list((x) => typeof x === 'string' && parseVkey(x) !== null || no(path), 1, 8)(v, path);
  if (new Set(v).size !== v.length) no(path);
};
const LISTED = list(ID, 1, 256, whole);
const RULES = map({
  mode: code('open', 'allow-list'), 'registrars?': LISTED, 'curators?': LISTED, 'vkeys?': VKEYS,
  'limits?': map({ 'records?': int(1, 65536), 'bytes?': int(1, 67_108_864) }, 1),
});
const SUBJECTS = list((v, path) => (Array.isArray(v) && v.length === 1 ? tuple(ID) : tuple(ID, int(0, MAX_ROWS - 1)))(v, path), 1, 512, whole);
const COMPROMISED = list(tuple(bin(1, 65535), int()), 1, 8, (x) => x[0]);
const COMMITTED = { keyset, next: ID, recovery: ID };
const CHANGE = map({ ...COMMITTED, 'compromised?': COMPROMISED });
const SUBSTRATE = map({ name: NAME, version: NAME, 'family?': NAME, 'weights?': ID, 'model?': ID });

function signatures(v, path) {
  list(tuple(int(0, 2), int(0, 7), (s, p) => Buffer.isBuffer(s) && (s.length === 64 || s.length === 2420) || no(p)), 1, 24)(v, path);
  if (!ascending(v.map(([set, index]) => Buffer.from([set, index])))) no(`${path}: order`);
}

const BODIES = {
  genesis: (v, path) => {
    map({ ...COMMITTED, origin: (x, p) => typeof x === 'string' && isOrigin(x) || no(p), vkeys: VKEYS, rules: RULES, fold: COUNT })(v, path);
    if (v.rules.mode !== 'open' || v.rules.registrars || v.rules.curators || v.rules.vkeys) no(`${path}.rules`);
  },
  enrol: (v, path) => {
    map({ ...COMMITTED, role: code('human', 'machine', 'pair', 'registrar', 'curator'), 'of?': ID, 'profile?': ID })(v, path);
    if ((v.role === 'pair') !== (v.of !== undefined)) no(`${path}.of`);
  },
  rotate: CHANGE,
  recover: CHANGE,
  retire: map({ keyset, reason: code('ended', 'superseded', 'compromised'), 'compromised?': COMPROMISED }),
  state: map({ root: ID, records: int(), time: MS, fold: COUNT }),
  artifacts: map({ count: int(1, 65536), root: ID, 'delegation?': ID }),
  delegate: (v, path) => {
    const scope = map({ 'kinds?': list(code(...KINDS), 1, 7, whole), 'until?': MS, 'count?': COUNT, 'human?': int(1, PPM) }, 1);
    map({ pair: ID, substrate: SUBSTRATE, 'scope?': scope })(v, path);
    if (v.substrate.weights && v.substrate.model) no(`${path}.substrate`);
  },
  undelegate: map({ pair: ID }),
  endorse: map({
    subject: ID, grade: code('claimed', 'known', 'verified', 'documented'), 'until?': MS, 'log?': ID,
    method: code('in-person', 'document', 'web', 'employment', 'community', 'other'),
  }),
  attest: map({
    subjects: SUBJECTS, claim: code('authorship', 'content', 'evidence', 'origin', 'reproduced'),
    result: code('confirmed', 'refuted', 'unclear'), 'evidence?': DIGESTS,
  }),
  notice: (v, path) => {
    map({
      subjects: SUBJECTS, act: code('hold', 'release', 'retract', 'erase', 'dispute'), 'cancels?': ID,
      'reason?': code('error', 'rights', 'privacy', 'harm', 'duplicate', 'machine-origin', 'compromise', 'other'),
    })(v, path);
    if ((v.act === 'release') !== (v.cancels !== undefined)) no(`${path}.cancels`);
  },
  rules: RULES,
  evidence: (v, path) => {
    const side = tuple(bin(1, 24576), signatures);
    map({ first: side, second: side })(v, path);
    if (!ascending([encode(v.first[0]), encode(v.second[0])])) no(path);
  },
};

export const KEY_EVENTS = new Set(['rotate', 'recover', 'retire']);
const NO_SIGNER = new Set(['genesis', 'enrol', 'state']);
const BASE = { v: int(1, 1), type: code(...Object.keys(BODIES)), log: ID, body: () => true };
const ORDINARY = { ...BASE, by: ID, key: ID, lane: bin(16), seq: int(), 'prev?': ID };
const SHAPES = [
  [(t) => NO_SIGNER.has(t), map(BASE)],
  [(t) => KEY_EVENTS.has(t), map({ ...BASE, by: ID, kseq: COUNT, prev: ID })],
  [() => true, map(ORDINARY)],
];

function parsePayload(raw, logId, inside = false) {
  need(raw.length <= 60160, 'too-large', 'payload');
  const p = decode(raw);
  if (p === null || typeof p !== 'object' || Array.isArray(p) || Buffer.isBuffer(p)) no('payload');
  if (typeof p.type !== 'string' || !Object.hasOwn(BODIES, p.type) || (inside && p.type === 'evidence')) no('payload.type');
  need(p.type === 'evidence' || raw.length <= 24576, 'too-large', 'payload');
  SHAPES.find(([is]) => is(p.type))[1](p, 'payload');
  if (p.lane && (p.seq === 0) !== (p.prev === undefined)) no('payload.prev');
  BODIES[p.type](p.body, 'body');
  const statement = { ...p, raw, id: tagged('statement', raw), ordinary: p.lane !== undefined };
  if (p.type === 'evidence') statement.sides = evidenceSides(p.body, logId);
  return statement;
}

// Whatever is wrong inside of an evidence is `schema` (SPEC §5.2).
function evidenceSides(body, logId) {
  const sides = [body.first, body.second].map(([raw, sigs]) => {
    try {
      const side = parsePayload(raw, logId, true);
      need(side.by && same(side.log, logId), 'schema', 'a payload of an evidence');
      return { ...side, signatures: sigs };
    } catch (e) {
      return no(`evidence: ${e.message}`);
    }
  });
  const place = ({ by, key, lane, seq, kseq }) => encode([by, ...(lane ? [key, lane, seq] : [kseq])]);
  if (!same(place(sides[0]), place(sides[1]))) no('evidence: two places');
  return sides;
}

// The statement of a well-formed entry; throws otherwise (SPEC §8.2, §9.2 step 1).
export function parseEntry(bytes, logId) {
  need(bytes.length <= 65535, 'too-large', 'entry');
  const outer = decode(bytes);
  if (!Array.isArray(outer) || outer.length > 2 || !Buffer.isBuffer(outer[0])) no('entry');
  const statement = parsePayload(outer[0], logId);
  if ((statement.type === 'state') !== (outer.length === 1)) no('signatures');
  if (outer.length === 2) signatures(outer[1], 'signatures');
  need(same(statement.log, logId), 'wrong-log', 'entry');
  return { ...statement, signatures: outer[1] ?? [] };
}

// SPEC §9.4: [topic, subject] of every chain that a well-formed statement is on.
export function topicsOf(statement) {
  const { type, body, by, id, log } = statement;
  const unique = (ids) => [...new Map(ids.map((x) => [x.toString('latin1'), x])).values()];
  switch (type) {
    case 'genesis': return [[1, id], [6, log]];
    case 'enrol': return [[1, id]];
    case 'rotate': case 'recover': case 'retire': return [[1, by]];
    case 'delegate': case 'undelegate': return unique([body.pair, by]).map((x) => [2, x]);
    case 'endorse': return [[3, body.subject]];
    case 'evidence': return [[4, statement.sides[0].by]];
    case 'notice': return unique(body.subjects.map((s) => s[0])).map((x) => [5, x]);
    case 'rules': return [[6, log]];
    case 'attest': return unique(body.subjects.map((s) => s[0])).map((x) => [7, x]);
    default: return [];
  }
}
