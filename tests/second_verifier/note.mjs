// Verifier keys, signed notes and log checkpoints (C2SP signed-note, tlog-checkpoint; SPEC §10.1).
import { hash, need, same } from './base.mjs';
import { keyHolds, signatureHolds } from './ed25519.mjs';

const ORIGIN = /^[a-z0-9][a-z0-9._/-]*$/;
const VKEY = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/;
const MAX_NOTE = 1 << 20, MAX_LINES = 64;

export const isOrigin = (text) => text.length <= 128 && ORIGIN.test(text) && !text.startsWith('lineage/');

// By its schema alone (SPEC §3.1); null if it is none.
export function parseVkey(text) {
  const match = text.length <= 256 ? VKEY.exec(text) : null;
  if (!match || !isOrigin(match[1])) return null;
  const raw = Buffer.from(match[3], 'base64');
  if (raw[0] !== 1) return null;
  return { text, name: match[1], id: Buffer.from(match[2], 'hex'), key: raw.subarray(1) };
}

export const vkeyHolds = (vkey) =>
  same(vkey.id, hash(vkey.name, '\n', Buffer.from([1]), vkey.key).subarray(0, 4)) && keyHolds(vkey.key);

function base64(text, code = 'note-invalid') {
  const raw = Buffer.from(text, 'base64');
  need(raw.length > 0 && raw.toString('base64') === text, code, 'no base64');
  return raw;
}

export function parseCheckpoint(bytes) {
  const code = 'note-invalid';
  need(bytes.length <= MAX_NOTE, code, 'too long');
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    need(false, code, 'not UTF-8');
  }
  need(!/[\u0000-\u0009\u000b-\u001f]/.test(text), code, 'a control character');
  const end = text.lastIndexOf('\n\n');
  need(end >= 0 && text.endsWith('\n'), code, 'no signatures');
  const signed = text.slice(0, end + 1);
  const lines = text.slice(end + 2, -1).split('\n');
  need(lines.length <= MAX_LINES, code, 'too many signatures');
  const signatures = lines.map((line) => {
    const match = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
    need(match, code, 'no signature line');
    const raw = base64(match[2]);
    need(raw.length > 4, code, 'no signature');
    return { name: match[1], id: raw.subarray(0, 4), signature: raw.subarray(4) };
  });
  const [origin, size, root, rest, ...more] = signed.split('\n');
  need(rest === '' && more.length === 0, 'checkpoint-invalid', 'not three lines');
  need(isOrigin(origin) && /^(0|[1-9][0-9]{0,15})$/.test(size) && Number(size) <= 2 ** 48, 'checkpoint-invalid', 'no log checkpoint');
  const rootHash = base64(root, 'checkpoint-invalid');
  need(rootHash.length === 32, 'checkpoint-invalid', 'no root');
  return { signed: Buffer.from(signed), origin, size: Number(size), root: rootHash, signatures };
}

// Lines of other keys are no matter of ours; each line of the log's key must hold.
export function checkCheckpoint(checkpoint, vkey) {
  const own = checkpoint.signatures.filter((s) => s.name === vkey.name && same(s.id, vkey.id));
  need(own.length > 0, 'note-invalid', 'not signed by the log');
  for (const s of own) need(signatureHolds(vkey.key, checkpoint.signed, s.signature), 'note-invalid', 'the signature does not hold');
  need(checkpoint.origin === vkey.name, 'checkpoint-invalid', 'another origin');
}
