// What this verifier says of the project's vectors (tests/vectors): those of ancestry proofs and of status proofs.
//   node vectors.mjs FOLDER
// It prints one JSON document a line: the vector's name, and what verify.mjs says of it (of a status proof `valid` and `code`).
import { readFileSync, readdirSync } from 'node:fs';
import { Refused } from './base.mjs';
import { checkStatusProof } from './merkle.mjs';
import { parseVkey } from './note.mjs';
import { verify } from './verify.mjs';

const bytes = (hex) => Buffer.from(hex, 'hex');

function ofStatus({ root, wanted, proof }) {
  const keys = Object.entries(wanted).map(([key, value]) => [bytes(key), value === null ? null : bytes(value)]);
  try {
    checkStatusProof(bytes(proof), keys.sort((a, b) => Buffer.compare(a[0], b[0])), bytes(root));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { valid: false, code: error.code };
  }
  return { valid: true };
}

const says = { ancestry: ({ file, vkey }) => verify(bytes(file), parseVkey(vkey)), status: ofStatus };

for (const [kind, say] of Object.entries(says)) {
  for (const file of readdirSync(`${process.argv[2]}/${kind}`).sort()) {
    const name = `${kind}/${file.replace(/\.json$/, '')}`;
    process.stdout.write(`${JSON.stringify({ name, ...say(JSON.parse(readFileSync(`${process.argv[2]}/${kind}/${file}`))) })}\n`);
  }
}
