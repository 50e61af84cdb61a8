// A second verifier of ancestry proofs (SPEC §11.2), written from SPEC.md alone.
//   node verify.mjs --vkey VKEY FILE.lineage
// It prints one JSON document. Exit code 0: valid, 1: invalid, 2: usage.
import { readFileSync } from 'node:fs';
import { Refused, hex, need, same, tagged } from './base.mjs';
import { checkDisclosed, checkLog, parseFile, understand } from './file.mjs';
import { parseVkey, vkeyHolds } from './note.mjs';
import { Trace } from './trace.mjs';

const UNPROVED = { presence: 'unproved', status: 'unknown', standing: 'unknown', level: 'L0', humans: [], authors: [] };

// Of a log whose vkey is not at hand nothing is known.
function unknownSubjects(log) {
  const whole = log.statements.flatMap((s) => s.records).filter((x) => x.subject).map((x) => ({ id: hex(x.id), row: null, ...UNPROVED }));
  return [...whole, ...log.rows.map((set) => ({ id: hex(set.id), rows: set.ranges, ...UNPROVED }))];
}

export function verify(bytes, vkey) {
  const answer = { valid: false, code: null, size: null, subjects: [], nodes: {} };
  try {
    const { logs, disclosed } = parseFile(bytes);
    const logId = tagged('log', vkey.text), own = logs.find((log) => same(log.id, logId));
    need(own, 'log-not-trusted', 'the file holds no log of this vkey');
    understand(own);
    answer.size = own.checkpoint.size;
    checkLog(own, vkey);
    const trace = new Trace(own, vkey);
    // A disclosed part may be of a log that is not known.
    if (logs.length === 1) checkDisclosed(disclosed, own);
    const subjects = logs.flatMap((log) => (log === own ? trace.subjects() : unknownSubjects(log)));
    const told = { ...answer, subjects, nodes: trace.nodes() };
    return logs.length === 1 ? { ...told, valid: true } : { ...told, code: 'log-not-trusted', why: 'a log of no vkey at hand' };
  } catch (error) {
    // Hostile bytes end nobody: what was not foreseen is a file that cannot be read.
    return { ...answer, code: error instanceof Refused ? error.code : 'proof-invalid', why: error.message };
  }
}

function main(args) {
  const at = args.indexOf('--vkey'), vkey = at >= 0 ? parseVkey(args[at + 1] ?? '') : null;
  const files = args.filter((_, i) => at < 0 || (i !== at && i !== at + 1));
  if (!vkey || !vkeyHolds(vkey) || files.length !== 1 || files[0].startsWith('-')) {
    process.stderr.write('usage: node verify.mjs --vkey VKEY FILE.lineage\n');
    return 2;
  }
  let bytes;
  try {
    bytes = readFileSync(files[0]);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const answer = verify(bytes, vkey);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  return answer.valid ? 0 : 1;
}

if (process.argv[1]?.endsWith('verify.mjs')) process.exitCode = main(process.argv.slice(2));
