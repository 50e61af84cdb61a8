// Trees: RFC 6962 hashes, the multiproof of SPEC §11.3, consistency, and the prefix tree's status proof (SPEC §9.3, §11.2).
import { hash, lowerBound, need, same, u8 } from './base.mjs';

export const leafHash = (data) => hash(u8(0), data);
export const nodeHash = (left, right) => hash(u8(1), left, right);

// The greatest power of two below n. Sizes go up to 2^48: no bit operators here.
function split(n) {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

class Proof {
  constructor(hashes, code) {
    this.hashes = hashes;
    this.at = 0;
    this.code = code;
  }

  take() {
    need(this.at < this.hashes.length, this.code, 'a hash is missing');
    return this.hashes[this.at++];
  }

  end() {
    need(this.at === this.hashes.length, this.code, 'a hash too many');
  }
}

// `leaves`: [index, leaf hash] ascending by index, at least one.
export function checkMultiproof(size, leaves, hashes, root) {
  const code = 'multiproof-invalid', proof = new Proof(hashes, code);
  need(leaves.length > 0 && leaves.at(-1)[0] < size, code, 'a leaf outside of the tree');
  const descend = (low, n, from, to) => {
    if (from === to) return proof.take();
    if (n === 1) return leaves[from][1];
    const k = split(n);
    let middle = from;
    if (leaves[to - 1][0] < low + k) middle = to;
    else if (leaves[from][0] < low + k) middle = lowerBound(leaves, low + k, (leaf) => leaf[0]);
    const left = descend(low, k, from, middle);
    return nodeHash(left, descend(low + k, n - k, middle, to));
  };
  const found = descend(0, size, 0, leaves.length);
  proof.end();
  need(same(found, root), code, 'the tree has another root');
}

// RFC 6962 §2.1.2, 1 ≤ older size < size.
export function checkConsistency(oldSize, oldRoot, size, root, hashes) {
  const code = 'consistency-invalid', proof = new Proof(hashes, code);
  const walk = (m, n, known) => {
    if (m === n) {
      const h = known ? oldRoot : proof.take();
      return [h, h];
    }
    const k = split(n);
    if (m <= k) {
      const [o, w] = walk(m, k, known);
      return [o, nodeHash(w, proof.take())];
    }
    const [o, w] = walk(m - k, n - k, false), left = proof.take();
    return [nodeHash(left, o), nodeHash(left, w)];
  };
  const [o, w] = walk(oldSize, size, true);
  proof.end();
  need(same(o, oldRoot) && same(w, root), code, 'the roots are others');
}

const bit = (key, d) => (key[d >> 3] >> (7 - (d & 7))) & 1;

// Whether two keys agree in their first n bits.
function agree(a, b, n) {
  const whole = n >> 3;
  if (Buffer.compare(a.subarray(0, whole), b.subarray(0, whole)) !== 0) return false;
  return (n & 7) === 0 || ((a[whole] ^ b[whole]) >> (8 - (n & 7))) === 0;
}

function prefixOf(key, d) {
  const prefix = Buffer.alloc(32);
  key.copy(prefix, 0, 0, d >> 3);
  if (d & 7) prefix[d >> 3] = key[d >> 3] & (0xff00 >> (d & 7));
  return prefix;
}

// `wanted`: [key, value or null] ascending by key. Refuses unless all of `bytes` shows just that under `root`.
export function checkStatusProof(bytes, wanted, root) {
  const code = 'status-invalid', refuseUnless = (holds, what) => need(holds, code, what);
  let at = 0;
  const take = (n) => {
    refuseUnless(n <= bytes.length - at, 'cut short');
    at += n;
    return bytes.subarray(at - n, at);
  };
  const allAbsent = (keys) => refuseUnless(keys.every((w) => w[1] === null), 'a key that has a value is shown absent');
  const node = (d, prefix, keys) => {
    const left = descend(keys.filter((w) => bit(w[0], d) === 0), d);
    const right = descend(keys.filter((w) => bit(w[0], d) === 1), d);
    return hash(u8(3), u8(d), prefix, left, right);
  };
  // All keys that lead here agree in their first last + 1 bits: any of them tells the way.
  const descend = (keys, last) => {
    if (keys.length === 0) return take(32);
    const way = keys[0][0], what = take(1)[0];
    if (what === 1 || what === 2) {
      const d = take(1)[0];
      refuseUnless(d > last, 'a depth that does not grow');
      if (what === 1) {
        refuseUnless(keys.every((w) => agree(w[0], way, d)), 'the keys have no such prefix in common');
        return node(d, prefixOf(way, d), keys);
      }
      const prefix = take(32);
      refuseUnless(same(prefix, prefixOf(prefix, d)) && agree(prefix, way, last + 1), 'a prefix off the way');
      const on = keys.filter((w) => agree(w[0], prefix, d));
      refuseUnless(on.length < keys.length, 'the short form says it');
      allAbsent(keys.filter((w) => !agree(w[0], prefix, d)));
      return node(d, prefix, on);
    }
    if (what === 3) {
      const present = keys.filter((w) => w[1] !== null);
      refuseUnless(present.length === 1, 'a leaf is of one key');
      return hash(u8(2), ...present[0]);
    }
    allAbsent(keys);
    if (what === 4) {
      const key = take(32), value = take(32);
      refuseUnless(agree(key, way, last + 1), 'a key off the way');
      refuseUnless(keys.every((w) => !same(w[0], key)), 'a wanted key as another one');
      return hash(u8(2), key, value);
    }
    refuseUnless(what === 5 && last === -1, 'no such node');
    return hash(u8(4));
  };
  const found = descend(wanted, -1);
  refuseUnless(at === bytes.length, 'bytes too many');
  refuseUnless(same(found, root), 'another root');
}
