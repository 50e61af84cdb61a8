// The Ed25519 rule of SPEC §6.1. OpenSSL compares the encoding of S·B − k·A with R byte for byte, without a
// cofactor; what it leaves open about the encodings and orders of A and R is checked here first.
import { createPublicKey, verify as opensslVerify } from 'node:crypto';

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (a) => { const r = a % P; return r < 0n ? r + P : r; };
function power(base, e) {
  let r = 1n;
  for (let b = mod(base); e > 0n; e >>= 1n, b = (b * b) % P) if (e & 1n) r = (r * b) % P;
  return r;
}
const D = mod(-121665n * power(121666n, P - 2n));
const ROOT_MINUS_1 = power(2n, (P - 1n) / 4n);
const little = (bytes) => BigInt('0x' + Buffer.from(bytes).reverse().toString('hex'));

// The y of the points of order 1, 2, 4 and 8; either sign of x.
const Y8 = little(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'));
const SMALL = new Set([1n, P - 1n, 0n, Y8, P - Y8]);

const yOf = (bytes) => little(bytes) & (2n ** 255n - 1n);

// x = 0 only at y = ±1, which are of small order: so no negative zero is left over.
const encodingRefused = (bytes) => {
  const y = yOf(bytes);
  return y >= P || SMALL.has(y);
};

function decompress(bytes) {
  const y = yOf(bytes), odd = BigInt(bytes[31] >> 7);
  const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n % P * power(u * v ** 7n, (P - 5n) / 8n));
  if (mod(v * x * x) === mod(-u)) x = mod(x * ROOT_MINUS_1);
  if (mod(v * x * x) !== u) return null;
  if ((x & 1n) !== odd) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2)), b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 % P * t2), d = mod(2n * z1 * z2);
  const e = b - a, f = d - c, g = d + c, h = b + a;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function isIdentityTimes(point, scalar) {
  let r = [0n, 1n, 1n, 0n];
  for (let i = scalar.toString(2).length - 1; i >= 0; i--) {
    r = add(r, r);
    if ((scalar >> BigInt(i)) & 1n) r = add(r, point);
  }
  return r[0] === 0n && r[1] === r[2];
}

const judged = new Map();

// Whether a key may be revealed: canonical, not of small order, and in the prime-order subgroup.
export function keyHolds(key) {
  const name = key.toString('latin1');
  if (!judged.has(name)) {
    const point = key.length === 32 && !encodingRefused(key) ? decompress(key) : null;
    judged.set(name, point !== null && isIdentityTimes(point, L));
  }
  return judged.get(name);
}

const DER = Buffer.from('302a300506032b6570032100', 'hex');
const objects = new Map();

export function signatureHolds(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64 || encodingRefused(key)) return false;
  if (encodingRefused(signature.subarray(0, 32)) || little(signature.subarray(32)) >= L) return false;
  const name = key.toString('latin1');
  try {
    if (!objects.has(name)) objects.set(name, createPublicKey({ key: Buffer.concat([DER, key]), format: 'der', type: 'spki' }));
    return opensslVerify(null, message, objects.get(name), signature);
  } catch {
    return false; // OpenSSL refuses what is no point by an exception
  }
}
