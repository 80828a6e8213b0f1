import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchFairness, tableOfFairness } from './fairness.ts';
import { benchFirst, tableOf } from './first.ts';

const USAGE = `usage: npm run bench -- first|fairness [--rounds N] [--jobs N] [--json]

  first      /bin/true and a Python one-liner through the sandbox and through the queue, beside plain spawn and bubblewrap
  fairness   a small tenant behind another's backlog of 10,000 jobs, beside FIFO and alone (rounds of about a minute; default 3)

The document is written to test/bench/results/NAME.json; --json prints it too.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    jobs: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});

const BENCHES: Record<string, { run: () => Promise<Record<string, unknown>>; table: typeof tableOf }> = {
  first: {
    run: () => benchFirst({ rounds: Number(values.rounds ?? 7), jobsPerRound: Number(values.jobs) }),
    table: tableOf,
  },
  fairness: { run: () => benchFairness({ rounds: Number(values.rounds ?? 3) }), table: tableOfFairness },
};

const [name = ''] = positionals;
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined || positionals.length !== 1) {
  console.error(USAGE);
  process.exit(2);
}
const document = await bench.run();
const directory = new URL('./results/', import.meta.url);
mkdirSync(directory, { recursive: true });
writeFileSync(new URL(`${name}.json`, directory), `${JSON.stringify(document, null, 2)}\n`);
console.log(values.json ? JSON.stringify(document) : bench.table(document));
process.exit(0);
