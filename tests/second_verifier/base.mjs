// What every other file needs: hashes, comparisons, and the one error that a check throws.
import { createHash } from 'node:crypto';

export class Refused extends Error {
  constructor(code, what) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

export const refuse = (code, what) => { throw new Refused(code, what); };
export const need = (holds, code, what) => { if (!holds) refuse(code, what); };

export function hash(...parts) {
  const h = createHash('sha256');
  for (const part of parts) h.update(part);
  return h.digest();
}

// SPEC §2: text tags are ASCII and end in a newline.
export const tagged = (tag, ...parts) => hash(`lineage/${tag}/v1\n`, ...parts);
export const u8 = (n) => Buffer.from([n]);
export const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
export const same = (a, b) => Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b);
export const hex = (bytes) => bytes.toString('hex');

// "Ascending" is strict everywhere (SPEC §3).
export const ascending = (items) => items.every((b, i) => i === 0 || Buffer.compare(items[i - 1], b) < 0);

// The first place in a sorted list whose key is not less than the one sought.
export function lowerBound(list, key, of = (x) => x) {
  let lo = 0, hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (of(list[mid]) < key) lo = mid + 1; else hi = mid;
  }
  return lo;
}

export const DAY_MS = 86_400_000;
export const WEEK_MS = 7 * DAY_MS; // SPEC §7.2
export const PPM = 1_000_000;
