import type { QueueStats } from '../index.ts';
import { EXIT_OK } from './exit-code.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

export const queue: Verb = {
  summary: 'show how deep the queue is and who serves it',
  help: `bullpen queue

  --json          the figures as one object
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen queue
  bullpen queue --queue batch --json
`,
  options: QUEUE_OPTIONS,
  run: (call) => {
    if (call.positionals.length > 0) throw new UsageError('queue takes no words; the queue is named with --queue');
    return withProducer(call, async (producer) => {
      const stats = await producer.stats();
      if (call.values['json'] === true) writeJson(call.stdout, stats);
      else writeText(call.stdout, table(rowsOf(stats)));
      return EXIT_OK;
    });
  },
};

function rowsOf({ workers, tenants, memory, liveWorkers, ...depths }: QueueStats): [string, string][] {
  const limit = memory.maxBytes === 0 ? 'no limit' : `of ${memory.maxBytes}`;
  return [
    ...Object.entries(depths).map(([name, value]): [string, string] => [name, String(value)]),
    ['memory', `${memory.usedBytes} bytes, ${limit}`],
    ['workers', String(liveWorkers)],
    ...workers.map(({ instance, slots }): [string, string] => [`  ${instance}`, `${slots} slots`]),
    ...tenants.map((t): [string, string] => [`tenant ${t.tenant}`, `${t.waiting} waiting, ${t.running} running`]),
  ];
}

function table(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}
