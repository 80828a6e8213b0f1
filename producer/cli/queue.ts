import { setTimeout as sleep } from 'node:timers/promises';
import { BullpenError } from '../errors.ts';
import type { Producer, QueueStats } from '../index.ts';
import { parseDuration } from './duration.ts';
import { EXIT_OK } from './exit-code.ts';
import { showError } from './show.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { type Call, optionalText, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

const EVERY_MS = 2_000;
const LEAST_MS = 100;
/** Cursor to the top left corner, then everything below it away. */
const CLEAR = '\x1b[H\x1b[J';

export const queue: Verb = {
  summary: 'show how deep the queue is and who serves it',
  help: `bullpen queue

  --json          the figures as one object
  --watch         again and again, until Ctrl-C; with --json one object a line. While Redis is away it says so and goes on
  --every 2s      how often (from 100ms)
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen queue
  bullpen queue --watch
  bullpen queue --queue batch --watch --every 10s --json >> depth.ndjson
`,
  options: { ...QUEUE_OPTIONS, watch: { type: 'boolean' }, every: { type: 'string' } },
  run: (call) => {
    if (call.positionals.length > 0) throw new UsageError('queue takes no words; the queue is named with --queue');
    const everyMs = readEvery(call);
    return withProducer(call, async (producer) => {
      if (call.values['watch'] === true) await watch(producer, call, everyMs);
      else show(await producer.stats(), call);
      return EXIT_OK;
    });
  },
};

function readEvery(call: Call): number {
  const every = optionalText(call, 'every');
  if (every === undefined) return EVERY_MS;
  if (call.values['watch'] !== true) throw new UsageError('--every goes with --watch');
  const ms = parseDuration('--every', every);
  if (ms < LEAST_MS) throw new UsageError(`--every must be ${LEAST_MS}ms or longer`);
  return ms;
}

/** Until Ctrl-C. The first look must succeed: a wrong address is no outage. */
async function watch(producer: Producer, call: Call, everyMs: number): Promise<void> {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);
  for (let stats: QueueStats | BullpenError = await producer.stats(); ; stats = await look(producer)) {
    if (leaving.signal.aborted) return;
    if (call.stdout.isTTY && !isForMachines(call)) call.stdout.write(CLEAR);
    if (stats instanceof BullpenError) tell(stats, call);
    else show(stats, call);
    await sleep(everyMs, undefined, { signal: leaving.signal }).catch(() => undefined);
  }
}

async function look(producer: Producer): Promise<QueueStats | BullpenError> {
  try {
    return await producer.stats();
  } catch (error) {
    if (error instanceof BullpenError) return error;
    throw error;
  }
}

function tell(error: BullpenError, call: Call): void {
  if (isForMachines(call)) writeJson(call.stdout, { error });
  else showError(error, call.stderr);
}

function show(stats: QueueStats, call: Call): void {
  if (isForMachines(call)) writeJson(call.stdout, stats);
  else writeText(call.stdout, table(rowsOf(stats)));
}

function isForMachines(call: Call): boolean {
  return call.values['json'] === true;
}

function rowsOf({
  workers,
  tenants,
  memory,
  liveWorkers,
  oldestWaitingMs,
  slots,
  ...depths
}: QueueStats): [string, string][] {
  const limit = memory.maxBytes === 0 ? 'no limit' : `of ${memory.maxBytes}`;
  const oldest = oldestWaitingMs === null ? 'none waits' : `${(oldestWaitingMs / 1000).toFixed(1)} s`;
  return [
    ...Object.entries(depths).map(([name, value]): [string, string] => [name, String(value)]),
    ['oldest', oldest],
    ['slots', String(slots)],
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
