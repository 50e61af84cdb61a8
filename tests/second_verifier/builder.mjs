// A tiny ledger for the tests: it signs whatever it is told, right or wrong, and proves what stands in it.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { hash, hex, tagged, u64, u8 } from './base.mjs';
import { leafHash, nodeHash } from './merkle.mjs';
import { encode } from './msgpack.mjs';
import { keysetDigest, parseEntry, topicsOf } from './schema.mjs';

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const u16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
export const seed = (name) => hash(`test seed ${name}`); // SPEC §16.1

const pairs = new Map();
export function key(name) {
  if (!pairs.has(name)) {
    const secret = createPrivateKey({ key: Buffer.concat([PKCS8, seed(name)]), format: 'der', type: 'pkcs8' });
    const open = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32);
    pairs.set(name, { secret, open, sign: (m) => sign(null, m, secret) });
  }
  return pairs.get(name);
}

export const keyset = (...names) => ({
  keys: names.map((n) => ['ed25519', key(n).open]).sort((a, b) => Buffer.compare(a[1], b[1])), thresholds: { ed25519: names.length },
});
export const digestOf = (...names) => keysetDigest(keyset(...names));
export const pae = (p) => Buffer.concat([Buffer.from(`DSSEv1 41 application/vnd.lineage.statement+msgpack ${p.length} `), p]);
export const ORIGIN = 'log.example/test';

export function vkeyOf(name, origin = ORIGIN) {
  const raw = Buffer.concat([u8(1), key(name).open]);
  return `${origin}+${hex(hash(origin, '\n', raw).subarray(0, 4))}+${raw.toString('base64')}`;
}

export function note(size, root, signer = 'log', origin = ORIGIN) {
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`;
  const id = hash(origin, '\n', u8(1), key(signer).open).subarray(0, 4);
  return Buffer.from(`${text}\n\u2014 ${origin} ${Buffer.concat([id, key(signer).sign(Buffer.from(text))]).toString('base64')}\n`);
}

export const split = (n) => { let k = 1; while (k * 2 < n) k *= 2; return k; };
export const rootOf = (leaves) => leaves.length === 1 ? leaves[0]
  : nodeHash(rootOf(leaves.slice(0, split(leaves.length))), rootOf(leaves.slice(split(leaves.length))));

export function multiproof(leaves, wanted, low = 0) {
  if (!wanted.some((i) => i >= low && i < low + leaves.length)) return [rootOf(leaves)];
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return [...multiproof(leaves.slice(0, k), wanted, low), ...multiproof(leaves.slice(k), wanted, low + k)];
}

export function consistency(leaves, m, whole = true) {
  if (m === leaves.length) return whole ? [] : [rootOf(leaves)];
  const k = split(leaves.length);
  return m <= k ? [...consistency(leaves.slice(0, k), m, whole), rootOf(leaves.slice(k))]
    : [...consistency(leaves.slice(k), m - k, false), rootOf(leaves.slice(0, k))];
}

// -- the prefix tree of SPEC §9.3, and the proof of many keys of SPEC §11.2

const bit = (k, d) => (k[d >> 3] >> (7 - (d & 7))) & 1;
const firstDifference = (keys) => { let d = 0; while (keys.every((k) => bit(k, d) === bit(keys[0], d))) d++; return d; };
const prefixOf = (k, d) => Buffer.from(k.map((byte, i) => i * 8 + 8 <= d ? byte : i * 8 >= d ? 0 : byte & (0xff00 >> (d - i * 8))));

export function prefixTree(items) {
  if (items.length === 0) return { hash: hash(u8(4)) };
  if (items.length === 1) return { key: items[0][0], value: items[0][1], hash: hash(u8(2), ...items[0]) };
  const d = firstDifference(items.map((x) => x[0])), prefix = prefixOf(items[0][0], d);
  const left = prefixTree(items.filter((x) => bit(x[0], d) === 0)), right = prefixTree(items.filter((x) => bit(x[0], d) === 1));
  return { d, prefix, left, right, hash: hash(u8(3), u8(d), prefix, left.hash, right.hash) };
}

export function statusProof(tree, wanted) {
  if (wanted.length === 0) return tree.hash;
  if (tree.d === undefined) {
    if (!tree.key) return u8(5);
    return wanted.some((k) => k.equals(tree.key)) ? u8(3) : Buffer.concat([u8(4), tree.key, tree.value]);
  }
  const on = wanted.filter((k) => prefixOf(k, tree.d).equals(tree.prefix));
  const start = on.length === wanted.length ? [u8(1), u8(tree.d)] : [u8(2), u8(tree.d), tree.prefix];
  return Buffer.concat([...start, ...[tree.left, tree.right].map((t, side) => statusProof(t, on.filter((k) => bit(k, tree.d) === side)))]);
}

export const topicKey = (topic, subject) => tagged('topic', u8(topic), subject);

const LEAST = { v: 1, stance: 'made', form: 'raw', size: 14, media: 'text/plain', parents: [] };
export function record(fields) {
  const r = { ...LEAST, ...fields };
  if (typeof r.content === 'string') r.content = hash(r.content);
  for (const k of Object.keys(r)) if (r[k] === undefined) delete r[k];
  // The one empty array that is legal (SPEC §3 rule 5); `encode` writes it as it is.
  r.parents = [...r.parents].sort((a, b) => Buffer.compare(encode(a), encode(b)));
  return encode(r);
}

export class Ledger {
  constructor({ fold = 2, rules = { mode: 'open' }, logKey = 'log' } = {}) {
    this.logKey = logKey;
    this.vkey = vkeyOf(logKey);
    this.id = tagged('log', this.vkey);
    this.entries = [];
    this.records = new Map();
    this.people = new Map();
    this.lane = 0;
    const body = { origin: ORIGIN, vkeys: [this.vkey], ...this.committed('operator', 0), rules, fold };
    this.operator = this.sign({ v: 1, type: 'genesis', log: this.id, body }, [[0, 0, 'operator/0']]);
    this.people.set('operator', { id: this.operator, key: this.operator, n: 0, kseq: 0, prev: this.operator });
  }

  committed(name, n) {
    return { keyset: keyset(`${name}/${n}`), next: digestOf(`${name}/${n + 1}`), recovery: digestOf(`${name}/recovery${n}`) };
  }

  payload(p, signers) {
    const raw = encode(p);
    return [raw, signers.map(([set, index, name]) => [set, index, key(name).sign(pae(raw))])];
  }

  put(entry) { return this.entries.push(entry) - 1; }

  sign(p, signers) {
    const [raw, signatures] = this.payload(p, signers);
    this.put(encode([raw, signatures]));
    return tagged('statement', raw);
  }

  enrol(name, role = 'human', more = {}) {
    const body = { role, ...this.committed(name, 0), ...more };
    const id = this.sign({ v: 1, type: 'enrol', log: this.id, body }, [[0, 0, `${name}/0`]]);
    this.people.set(name, { id, key: id, n: 0, kseq: 0, prev: id });
    return id;
  }

  ordinary(name, type, body, more = {}) {
    const who = this.people.get(name), lane = Buffer.alloc(16);
    lane.writeUInt32BE(++this.lane);
    return { v: 1, type, log: this.id, by: who.id, key: who.key, lane, seq: 0, body, ...more };
  }

  say(name, type, body, more = {}) {
    const { n } = this.people.get(name);
    return this.sign(this.ordinary(name, type, body, more), [[0, 0, `${name}/${n}`]]);
  }

  // `rotate` and `retire` by the next keyset; `recover` by the recovery keyset, which then counts as number n + 1.
  change(name, type, more = {}, keep = {}) {
    const who = this.people.get(name), signer = type === 'recover' ? `${name}/recovery${who.n}` : `${name}/${who.n + 1}`;
    const rest = type === 'retire' ? { reason: 'ended' } : { next: digestOf(`${name}/${who.n + 2}`), recovery: digestOf(`${name}/recovery${who.n + 1}`) };
    if (type === 'recover') rest.next = digestOf(`${name}/after${who.n}`);
    const body = { keyset: keyset(signer), ...rest, ...more };
    const id = this.sign({ v: 1, type, log: this.id, by: who.id, kseq: who.kseq + 1, prev: who.prev, body }, [[type === 'recover' ? 2 : 1, 0, signer]]);
    Object.assign(who, { kseq: who.kseq + 1, prev: id }, type === 'rotate' ? { key: id, n: who.n + 1 } : {}, keep);
    return id;
  }

  artifacts(name, records, body = {}, more = {}) {
    const ids = records.map(leafHash), index = this.entries.length;
    this.say(name, 'artifacts', { count: records.length, root: rootOf(ids), ...body }, more);
    this.records.set(index, records);
    return ids;
  }

  statements() {
    return this.entries.flatMap((bytes, index) => {
      try { return [{ index, bytes, ...parseEntry(bytes, this.id) }]; } catch { return []; }
    });
  }

  status(n) {
    const chains = new Map();
    for (const s of this.statements().filter((x) => x.index < n)) {
      for (const [topic, subject] of topicsOf(s)) {
        const k = topicKey(topic, subject), c = chains.get(hex(k)) ?? { k, count: 0, head: Buffer.alloc(32) };
        chains.set(hex(k), { k, count: c.count + 1, head: tagged('chain', c.head, u64(s.index), leafHash(s.bytes)) });
      }
    }
    return prefixTree([...chains.values()].map((c) => [c.k, tagged('chain-value', u64(c.count), c.head)]));
  }

  state(time, more = {}) {
    const records = [...this.records.values()].reduce((sum, r) => sum + r.length, 0);
    const body = { root: this.status(this.entries.length).hash, records, time, fold: 2, ...more };
    return this.put(encode([encode({ v: 1, type: 'state', log: this.id, body })]));
  }

  // A file with everything, but for what `hide` (entry indices), `noTopics` ("topic name") and `erased` (ids) leave out.
  prove(subjects, { hide = [], noTopics = [], erased = [], rows = [], disclosed = [], points = [], lie = {} } = {}) {
    const n = this.entries.length, leaves = this.entries.map(leafHash), root = rootOf(leaves);
    const shown = this.entries.map((_, i) => i).filter((i) => !hide.includes(i));
    const topics = [...this.people].flatMap(([name, { id }]) => [1, 2, 3, 4].filter((t) => !noTopics.includes(`${t} ${name}`)).map((t) => [t, id]));
    const hashes = (list) => Buffer.concat([u32(list.length), ...list]);
    const isSubject = (id) => subjects.some((s) => s.equals(id));
    const seen = [], statements = [], ids = new Map();
    for (const [index, records] of this.records) {
      if (hide.includes(index)) continue;
      const parts = records.map((r, i) => {
        const id = leafHash(r), earlier = seen.findIndex((x) => x !== null && x.equals(id));
        seen.push(earlier < 0 ? id : null);
        ids.set(hex(id), id);
        if (earlier >= 0) return Buffer.concat([u32(i), u8(2), u32(earlier)]);
        const high = isSubject(id) ? 0x80 : 0;
        if (erased.some((x) => x.equals(id))) return Buffer.concat([u32(i), u8(1 | high), id]);
        return Buffer.concat([u32(i), u8(high), u16(r.length), r]);
      });
      statements.push(Buffer.concat([u64(index), u32(parts.length), ...parts, hashes([])]));
    }
    const wanted = [[6, this.id], ...topics, ...[...ids.values()].flatMap((id) => [[5, id], [7, id]])].map(([t, s]) => topicKey(t, s));
    const status = lie.status ?? statusProof(this.status(n - 1), wanted);
    const sets = rows.map(({ id, ranges, digests }) => Buffer.concat([id, u32(ranges.length), ...ranges.flatMap(([a, b]) => [u32(a), u32(b)]),
      hashes(multiproof(digests.map(leafHash), ranges.flatMap(([a, b]) => [...Array(b).keys()].map((i) => a + i)))),
      ...ranges.flatMap(([a, b]) => digests.slice(a, a + b))]));
    const signed = lie.note ?? note(n, root, this.logKey);
    return Buffer.concat([
      Buffer.from('lineage/ancestry/v1\n'), u8(1), this.id, u32(signed.length), signed,
      u8(points.length), ...points.map((m) => {
        const at = note(m, rootOf(leaves.slice(0, m)), this.logKey);
        return Buffer.concat([u64(m), rootOf(leaves.slice(0, m)), u32(at.length), at, hashes(consistency(leaves, m))]);
      }),
      u32(shown.length), ...shown.map((i) => Buffer.concat([u64(i), u16(this.entries[i].length), this.entries[i]])),
      hashes(multiproof(leaves, shown)),
      u32(topics.length), ...topics.map(([t, s]) => Buffer.concat([u8(t), s])).sort(Buffer.compare),
      u32(status.length), status, u32(statements.length), ...statements, u32(sets.length), ...sets,
      u16(disclosed.length), ...disclosed.map(({ what, id, salt, bytes }) => Buffer.concat([u8(what), id, salt, u32(bytes.length), bytes])),
    ]);
  }
}
