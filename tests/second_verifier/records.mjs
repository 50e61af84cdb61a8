// Records: what one says by itself (SPEC §4), and what its maker's role lets it say (SPEC §4.4, §7.3).
import { PPM, need, refuse } from './base.mjs';
import { decode, encode } from './msgpack.mjs';
import { DIGESTS, ID, KINDS, MAX_ROWS, MS, NAME, COUNT, code, int, list, map, text } from './schema.mjs';

const SHARED = new Set(['derived-from', 'generated-by', 'trained-on', 'distilled-from', 'quotes']);
const CHILD_KINDS = {
  'derived-from': KINDS, 'generated-by': ['output', 'dataset'], 'trained-on': ['model'], 'distilled-from': ['abstract', 'model'],
  evidence: KINDS, quotes: KINDS.filter((k) => k !== 'model'), corrects: KINDS, supersedes: KINDS,
};
const PARENT = map({ id: ID, rel: code(...Object.keys(CHILD_KINDS)), 'ppm?': int(1, PPM), 'log?': ID, 'row?': int(0, MAX_ROWS - 1) });
const MEDIA_PART = '[a-z0-9][a-z0-9!#$&^_.+-]*';
const RECORD = map({
  v: int(1, 1), kind: code(...KINDS), maker: ID, stance: code('made', 'reported'), content: ID,
  form: code('raw', 'jcs', 'sealed', 'rows', 'manifest'), size: int(), 'media?': text(new RegExp(`^${MEDIA_PART}/${MEDIA_PART}$`), 127),
  parents: list(PARENT, 0, 256, (x) => x), 'human?': int(0, PPM), 'machine?': int(0, PPM), 'made?': MS, 'attributed?': ID,
  'rights?': map({ 'license?': text(/^[A-Za-z0-9(][A-Za-z0-9 .:()+-]*$/, 128), 'train?': code('allowed', 'denied', 'constrained') }, 1),
  'source?': map({
    'uri?': text(/^[a-z][a-z0-9+.-]*:[!-~]+$/, 512), 'retrieved?': MS,
    'category?': code('public-dataset', 'licensed', 'crawled', 'user', 'synthetic', 'archive', 'other'),
  }, 1),
  'facts?': (v, path) => v !== null && typeof v === 'object' || refuse('schema', path),
});
const FACTS = {
  experience: [false, map({ 'confidence?': int(0, PPM), 'stake?': code('none', 'low', 'moderate', 'high', 'critical'), 'evidence?': DIGESTS }, 1)],
  derived: [true, map({ tool: NAME, version: NAME, parameters: ID })],
  model: [true, map({ name: NAME, version: NAME, 'family?': NAME })],
  output: [false, map({ parameters: ID })],
  abstract: [false, map({ method: code('summary', 'gradient', 'update', 'trace', 'other') })],
  rows: [true, map({ count: int(1, MAX_ROWS), 'column?': NAME, 'column_digest?': ID })],
  manifest: [true, map({ checkpoint: ID, policy: ID, trust: ID, time: MS, count: COUNT })],
};

// The record, or throws with the fault that it has whoever made it: only then its kind counts (SPEC §9.1).
export function parseRecord(bytes) {
  need(bytes.length <= 16384, 'too-large', 'record');
  const r = decode(bytes, 'parents');
  RECORD(r, 'record');
  const illegal = (holds, what) => need(holds, 'record-illegal', what);
  const set = r.form === 'rows' || r.form === 'manifest';
  illegal(!set || r.kind === 'dataset', 'form and kind');
  illegal((r.form === 'sealed') === (r.media === undefined), 'media');
  illegal(r.stance === 'reported' || r.attributed === undefined, 'attributed');
  illegal(r.kind !== 'experience' || !set, 'form of an experience');
  if (r.form === 'sealed') illegal(r.size >= 32 && (BigInt(r.size) & BigInt(r.size - 1)) === 0n, 'size of a sealed one');
  const [required, facts] = FACTS[set ? r.form : r.kind] ?? [false, null];
  illegal(r.facts !== undefined ? facts !== null : !required, 'facts');
  if (r.facts !== undefined) facts(r.facts, 'facts');
  illegal(r.form !== 'rows' || !(r.facts.column && r.facts.column_digest), 'two columns');
  illegal(r.form !== 'manifest' || r.size === 65 * r.facts.count, 'size of a manifest');
  checkParents(r, illegal);
  checkShares(r);
  return r;
}

function checkParents(r, illegal) {
  const names = r.parents.map(({ ppm, ...name }) => encode(name));
  need(new Set(names.map((x) => x.toString('latin1'))).size === names.length, 'schema', 'a parent twice');
  for (const p of r.parents) illegal(CHILD_KINDS[p.rel].includes(r.kind), `relation ${p.rel}`);
  const has = (rel) => r.parents.some((p) => p.rel === rel);
  illegal(r.kind !== 'abstract' || has('distilled-from'), 'an abstract of nothing');
  illegal(r.kind !== 'derived' || has('derived-from'), 'a derived of nothing');
}

function checkShares(r) {
  const share = (holds, what) => need(holds, 'share-illegal', what);
  for (const p of r.parents) share(p.ppm === undefined || SHARED.has(p.rel), 'no share flows');
  const own = (r.human ?? 0) + (r.machine ?? 0);
  share(r.parents.reduce((sum, p) => sum + (p.ppm ?? 0), own) <= PPM, 'over the whole');
  share(r.stance === 'made' || (r.human === undefined && r.machine === undefined), 'own share of a reported one');
  const human = r.kind === 'work' || r.kind === 'experience';
  share(!human || r.machine === undefined || r.human >= 1, 'machine without human');
}

// SPEC §4.4: the own shares that a kind may state, by role; what does not stand is illegal.
const OTHERS = { derived: '', model: '', dataset: '' };
const ROLES = {
  human: { work: 'h', experience: 'h', abstract: '', output: '', ...OTHERS },
  pair: { work: 'hm', experience: 'hm', abstract: 'm', output: 'm', ...OTHERS, dataset: 'm' },
  machine: { abstract: 'm', output: 'm', ...OTHERS, dataset: 'm' },
  registrar: OTHERS, curator: OTHERS, operator: OTHERS,
};

export function checkRole(r, role, scope) {
  const illegal = (holds) => need(holds, 'role-illegal', `${r.kind} by a ${role}`);
  if (r.stance === 'made') {
    const may = ROLES[role][r.kind];
    illegal(may !== undefined);
    illegal(r.human === undefined || may.includes('h'));
    illegal(r.machine === undefined || may.includes('m'));
    illegal(r.kind !== 'output' || role !== 'human' || r.parents.some((p) => p.rel === 'generated-by'));
  }
  if (role !== 'pair') return;
  need(!scope?.kinds || scope.kinds.includes(r.kind), 'scope-exceeded', 'kinds');
  need((r.human ?? 0) <= (scope?.human ?? 0), 'scope-exceeded', 'human');
}

// SPEC §4.3: `parent` is null where its kind is not known.
export function checkParentKind(r, p, parent) {
  if (parent === null) return;
  const fits = {
    'derived-from': (kind) => r.kind === 'model' ? kind === 'model'
      : r.kind === 'experience' ? ['work', 'experience', 'derived'].includes(kind) : kind !== 'model',
    'generated-by': (kind) => kind === 'model', 'trained-on': (kind) => kind !== 'model', quotes: (kind) => kind !== 'model',
  }[p.rel];
  need(!fits || fits(parent.kind), 'parent-kind', p.rel);
  need(p.row === undefined || (parent.form === 'rows' && p.row < parent.facts.count), 'parent-kind', 'no such row');
}
