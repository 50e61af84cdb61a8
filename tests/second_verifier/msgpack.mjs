// Canonical msgpack (SPEC §3): one encoding for each value, and nothing else is decoded.
// Integers become numbers, str strings, bin Buffers, array Arrays, map objects without a prototype.
import { refuse } from './base.mjs';

const MAX_DEPTH = 8, MAX_ITEMS = 512, MAX_KEYS = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const bad = (what) => refuse('not-canonical', what);

class Reader {
  constructor(bytes, emptyKey) {
    this.b = bytes;
    this.at = 0;
    this.emptyKey = emptyKey;
  }

  take(n) {
    // Lengths are held against what is there before anything is allocated.
    if (n > this.b.length - this.at) bad('cut short');
    this.at += n;
    return this.b.subarray(this.at - n, this.at);
  }

  uint(n, least) {
    const v = n === 8 ? this.take(8).readBigUInt64BE() : BigInt(this.take(n).readUIntBE(0, n));
    if (v < least) bad('not the shortest form');
    if (v > BigInt(Number.MAX_SAFE_INTEGER)) bad('number out of range');
    return Number(v);
  }

  int(n, below) {
    const v = n === 8 ? this.take(8).readBigInt64BE() : BigInt(this.take(n).readIntBE(0, n));
    if (v >= below) bad('not the shortest form');
    if (v < BigInt(-Number.MAX_SAFE_INTEGER)) bad('number out of range');
    return Number(v);
  }

  value(depth, mayBeEmpty) {
    const t = this.take(1)[0];
    if (t <= 0x7f) return t;
    if (t >= 0xe0) return t - 0x100;
    if (t <= 0x8f) return this.map(t & 0x0f, depth);
    if (t <= 0x9f) return this.array(t & 0x0f, depth, mayBeEmpty);
    if (t <= 0xbf) return this.str(t & 0x1f);
    switch (t) {
      case 0xc4: return this.bin(this.uint(1, 0n));
      case 0xc5: return this.bin(this.uint(2, 0x100n));
      case 0xc6: return this.bin(this.uint(4, 0x10000n));
      case 0xcc: return this.uint(1, 0x80n);
      case 0xcd: return this.uint(2, 0x100n);
      case 0xce: return this.uint(4, 0x10000n);
      case 0xcf: return this.uint(8, 0x100000000n);
      case 0xd0: return this.int(1, -32n);
      case 0xd1: return this.int(2, -0x80n);
      case 0xd2: return this.int(4, -0x8000n);
      case 0xd3: return this.int(8, -0x80000000n);
      case 0xd9: return this.str(this.uint(1, 32n));
      case 0xda: return this.str(this.uint(2, 0x100n));
      case 0xdb: return this.str(this.uint(4, 0x10000n));
      case 0xdc: return this.array(this.uint(2, 16n), depth, mayBeEmpty);
      case 0xdd: return this.array(this.uint(4, 0x10000n), depth, mayBeEmpty);
      case 0xde: return this.map(this.uint(2, 16n), depth);
      case 0xdf: return this.map(this.uint(4, 0x10000n), depth);
      default: return bad('a type that is not used');
    }
  }

  bin(n) {
    if (n === 0) bad('empty bin');
    return this.take(n);
  }

  str(n) {
    if (n === 0) bad('empty str');
    try {
      return utf8.decode(this.take(n));
    } catch {
      return bad('not UTF-8');
    }
  }

  array(n, depth, mayBeEmpty) {
    if (depth >= MAX_DEPTH) bad('too deep');
    if (n > MAX_ITEMS) bad('too many items');
    if (n === 0 && !mayBeEmpty) bad('empty array');
    const items = [];
    for (let i = 0; i < n; i++) items.push(this.value(depth + 1, false));
    return items;
  }

  map(n, depth) {
    if (depth >= MAX_DEPTH) bad('too deep');
    if (n > MAX_KEYS) bad('too many keys');
    if (n === 0) bad('empty map');
    const map = Object.create(null);
    let before = null;
    for (let i = 0; i < n; i++) {
      const from = this.at;
      const key = this.value(MAX_DEPTH, false);
      if (typeof key !== 'string') bad('a key that is no str');
      const raw = Buffer.from(key);
      if (before && Buffer.compare(before, raw) >= 0) bad(`keys out of order at byte ${from}`);
      before = raw;
      map[key] = this.value(depth + 1, depth === 0 && key === this.emptyKey);
    }
    return map;
  }
}

// `emptyKey` is the one key of the outermost map whose array may be empty (`parents` of a record).
export function decode(bytes, emptyKey = null) {
  const reader = new Reader(bytes, emptyKey);
  const value = reader.value(0, false);
  if (reader.at !== bytes.length) bad('bytes after the value');
  return value;
}

const head = (n, tags) => {
  const [fixed, room, ...sized] = tags;
  if (n < room) return Buffer.from([fixed | n]);
  const [t8, t16, t32] = sized;
  if (t8 !== null && n < 0x100) return Buffer.from([t8, n]);
  if (n < 0x10000) return Buffer.from([t16, n >> 8, n & 0xff]);
  const b = Buffer.alloc(5, t32);
  b.writeUInt32BE(n, 1);
  return b;
};

// Orders and digests are over encodings (SPEC §3, §7.1). The values came from `decode`, so all are legal.
export function encode(value) {
  if (typeof value === 'number') {
    if (value < 0) throw new RangeError('no schema uses negative integers');
    if (value < 0x80) return Buffer.from([value]);
    if (value < 0x100000000) return head(value, [0, 0, 0xcc, 0xcd, 0xce]);
    const b = Buffer.alloc(9, 0xcf);
    b.writeBigUInt64BE(BigInt(value), 1);
    return b;
  }
  if (typeof value === 'string') {
    const raw = Buffer.from(value);
    return Buffer.concat([head(raw.length, [0xa0, 32, 0xd9, 0xda, 0xdb]), raw]);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(value.length, [0, 0, 0xc4, 0xc5, 0xc6]), value]);
  if (Array.isArray(value)) return Buffer.concat([head(value.length, [0x90, 16, null, 0xdc, 0xdd]), ...value.map(encode)]);
  const keys = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.concat([head(keys.length, [0x80, 16, null, 0xde, 0xdf]), ...keys.flatMap((k) => [encode(k), encode(value[k])])]);
}
