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
      else writeText(call.stdout, table(Object.entries(stats)));
      return EXIT_OK;
    });
  },
};

function table(rows: [string, unknown][]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}\n`).join('');
}

function cell(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
