import { DEAD_REASONS } from '../../protocol/index.ts';
import type { DeadFilter, DeadLetter, DeadLetters, DeadReason, Producer } from '../index.ts';
import { parseDuration } from './duration.ts';
import { EXIT_OK } from './exit-code.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { type Call, optionalText, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

const REASONS = Object.keys(DEAD_REASONS) as DeadReason[];
const ACTIONS: ReadonlyMap<string, (call: DeadCall) => Promise<void>> = new Map([
  ['list', list],
  ['show', show],
  ['retry', retry],
  ['purge', purge],
]);

export const dead: Verb = {
  summary: 'jobs that we failed: list, show, retry, purge',
  help: `bullpen dead list | show ID | retry ID… | purge ID…

Jobs that ended worker-lost or failed keep their documents, the latest 1,000 and 64 MiB of them. retry submits a document again, as a new
job with the id ID.retry-N, and prints that id; the old result stays. purge drops the document.

  --reason NAME   only these: ${REASONS.slice(0, 4).join(', ')},
                  ${REASONS.slice(4).join(', ')}
  --older-than 24h only those that ended longer ago
  --all           with retry and purge: all that --tenant, --reason and --older-than leave, in place of ids
  --json          an object per line
${QUEUE_OPTIONS_HELP.replace('default: default', 'default: all in a list, else default')}

Examples:
  bullpen dead list --reason poison
  bullpen dead show hw3-alice-17 --json
  bullpen dead retry --all --reason worker-died
  bullpen dead purge --all --older-than 72h
`,
  options: {
    ...QUEUE_OPTIONS,
    reason: { type: 'string' },
    'older-than': { type: 'string' },
    all: { type: 'boolean' },
  },
  run(call) {
    const [word, ...ids] = call.positionals;
    const action = ACTIONS.get(word ?? '');
    if (!action) throw new UsageError(`dead what? one of ${[...ACTIONS.keys()].join(', ')}`);
    const filter = filterOf(call);
    return withProducer(call, async (producer) => {
      await action({ call, producer, ids, filter });
      return EXIT_OK;
    });
  },
};

interface DeadCall {
  call: Call;
  producer: Producer;
  ids: string[];
  filter: DeadFilter;
}

function filterOf(call: Call): DeadFilter {
  const reason = optionalText(call, 'reason');
  const age = optionalText(call, 'older-than');
  if (reason !== undefined && !Object.hasOwn(DEAD_REASONS, reason)) {
    throw new UsageError(`--reason takes one of ${REASONS.join(', ')}; got ${reason}`);
  }
  return {
    ...(reason !== undefined && { reason: reason as DeadReason }),
    ...(age !== undefined && { endedBeforeMs: Date.now() - parseDuration('--older-than', age) }),
  };
}

async function list({ call, producer, ids, filter }: DeadCall): Promise<void> {
  if (ids.length > 0) throw new UsageError('dead list takes no words; ids are for show, retry and purge');
  const found = await producer.dead.list(filter);
  if (call.values['json'] === true) for (const letter of found.letters) writeJson(call.stdout, letter);
  else writeText(call.stdout, found.letters.map(line).join(''));
  writeText(call.stderr, summary(found));
}

async function show({ call, producer, ids }: DeadCall): Promise<void> {
  const [id, ...more] = ids;
  if (id === undefined || more.length > 0) throw new UsageError('dead show takes exactly one job id');
  const { document, ...letter } = await producer.dead.open(id);
  if (call.values['json'] === true) return writeJson(call.stdout, { ...letter, document });
  const facts = Object.entries(letter).map(([name, value]) => `${name.padEnd(14)}${value ?? 'none'}\n`);
  writeText(call.stdout, `${facts.join('')}why           ${DEAD_REASONS[letter.reason]}\n`);
  writeText(call.stdout, `${JSON.stringify(document, null, 2)}\n`);
}

async function retry({ call, producer, ids, filter }: DeadCall): Promise<void> {
  for (const { id, tenant } of await meant({ call, producer, ids, filter })) {
    const handle = await producer.dead.retry(id, tenant);
    if (call.values['json'] === true) writeJson(call.stdout, { id: handle.id, tenant: handle.tenant, retryOf: id });
    else writeText(call.stdout, `${handle.id}\n`);
  }
}

async function purge({ call, producer, ids, filter }: DeadCall): Promise<void> {
  for (const { id, tenant } of await meant({ call, producer, ids, filter })) {
    await producer.dead.purge(id, tenant);
    if (call.values['json'] === true) writeJson(call.stdout, { id, ...(tenant && { tenant }), purged: true });
    else writeText(call.stdout, `${id}\n`);
  }
}

/** The letters that ids or `--all` name; the oldest first. */
async function meant({ call, producer, ids, filter }: DeadCall): Promise<{ id: string; tenant: string | undefined }[]> {
  const all = call.values['all'] === true;
  if (all === ids.length > 0) throw new UsageError('give job ids, or --all');
  if (!all && Object.keys(filter).length > 0) throw new UsageError('--reason and --older-than go with --all or list');
  if (!all) return ids.map((id) => ({ id, tenant: undefined }));
  return (await producer.dead.list(filter)).letters.reverse();
}

function line({ id, tenant, reason, epoch, attempts, endedAtMs, documentBytes }: DeadLetter): string {
  const facts = [
    new Date(endedAtMs).toISOString(),
    reason.padEnd(16),
    `${epoch}/${attempts}`,
    `${documentBytes} bytes`,
  ];
  return `${facts.join('  ')}  ${tenant}  ${id}\n`;
}

function summary({ letters, dropped, droppedAtMs }: DeadLetters): string {
  if (dropped === 0 || droppedAtMs === null) return `${letters.length} dead letters\n`;
  const latest = new Date(droppedAtMs).toISOString();
  return `${letters.length} dead letters; ${dropped} lost their documents for want of room, the latest at ${latest}\n`;
}
