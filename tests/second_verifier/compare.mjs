// Holds this verifier against a folder of proofs NAME.lineage with what is expected of each, NAME.json (with its vkey).
//   node compare.mjs FOLDER
import { readFileSync, readdirSync } from 'node:fs';
import { parseVkey } from './note.mjs';
import { verify } from './verify.mjs';

const ordered = (subjects) => subjects.map((s) => ({ ...s, humans: [...s.humans].sort(), authors: [...s.authors].sort() }))
  .sort((a, b) => (a.id + (a.rows ? 1 : 0) < b.id + (b.rows ? 1 : 0) ? -1 : 1));

// The paths at which two JSON values differ.
function* differences(a, b, path = '') {
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') {
    if (a !== b) yield `${path}: expected ${JSON.stringify(a)}, got ${JSON.stringify(b)}`;
    return;
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) yield* differences(a[key], b[key], `${path}.${key}`);
}

export function compare(folder) {
  const found = [];
  for (const name of readdirSync(folder).filter((f) => f.endsWith('.lineage')).sort()) {
    const expected = JSON.parse(readFileSync(`${folder}/${name.replace(/lineage$/, 'json')}`));
    const got = verify(readFileSync(`${folder}/${name}`), parseVkey(expected.vkey));
    const told = [...differences(expected.valid, got.valid, 'valid')];
    if (expected.valid && got.valid) {
      const view = ({ size, subjects, nodes }) => ({ size, subjects: ordered(subjects), nodes });
      told.push(...differences(view(expected), view(got)));
    } else told.push(...differences(expected.code ?? null, got.code, 'code'));
    found.push({ name, why: got.why, told });
  }
  return found;
}

if (process.argv[1]?.endsWith('compare.mjs')) {
  const found = compare(process.argv[2]), differing = found.filter((f) => f.told.length > 0);
  for (const { name, told, why } of differing) console.log(name, why ?? '', '\n  ', told.slice(0, 8).join('\n   '));
  console.log(`${found.length} proofs, ${differing.length} differ`);
  process.exitCode = differing.length > 0 ? 1 : 0;
}
