import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchFirst, tableOf } from './first.ts';

const USAGE = `usage: npm run bench -- first [--rounds N] [--jobs N] [--json]

  first   /bin/true and a Python one-liner through the sandbox and through the queue, beside plain spawn and bubblewrap

The document is written to test/bench/results/NAME.json; --json prints it too.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    jobs: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});

if (positionals[0] !== 'first' || positionals.length !== 1) {
  console.error(USAGE);
  process.exit(2);
}
const document = await benchFirst({ rounds: Number(values.rounds), jobsPerRound: Number(values.jobs) });
const directory = new URL('./results/', import.meta.url);
mkdirSync(directory, { recursive: true });
writeFileSync(new URL('first.json', directory), `${JSON.stringify(document, null, 2)}\n`);
console.log(values.json ? JSON.stringify(document) : tableOf(document));
process.exit(0);
