import { parseJob, parsePolicy, RUN_MAX_BYTES, readOffer } from '../../schemas/parse.ts';
import type { Job, WorkerOffer } from '../../schemas/types.ts';
import { InvalidJobError } from '../errors.ts';
import { explainByOffer, type OfferExplanation, type OfferRule } from '../explain.ts';
import type { QueueStats } from '../index.ts';
import { EXIT_OK, EXIT_REFUSED } from './exit-code.ts';
import { readBounded } from './input.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

export const explain: Verb = {
  summary: "say what would become of a job, by the live workers' offers",
  help: `bullpen explain FILE | -

A job document, or a policy that stands alone. For each live worker of the queue (those that offer the same together): the effective
policy, who said each field, the operator's ceilings, every reason against it. Where no worker lives: the built-in defaults. What
only a worker's host knows (host paths, what is installed later) is said to be unknown; bullpen-worker explain tells it there.
Exit code 3 when every live worker would refuse it, and when it is invalid.

  --json          one object per group of workers: {"workers", "verdict", "reasons", "unknown", "rules", "layers"}
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen explain job.json
  bullpen explain policy.json --queue batch --json
`,
  options: QUEUE_OPTIONS,
  async run(call) {
    const [file, ...more] = call.positionals;
    if (file === undefined || more.length > 0) throw new UsageError('name exactly one FILE, or - for stdin');
    const bytes = await readBounded(file === '-' ? call.stdin : file, RUN_MAX_BYTES);
    const stats = await withProducer(call, (producer) => producer.stats());
    const groups = groupsOf(stats).map(({ workers, offer }) => ({
      workers,
      ...explainByOffer(jobOf(bytes, offer), offer),
    }));
    for (const group of groups) {
      if (call.values['json'] === true) writeJson(call.stdout, group);
      else writeText(call.stdout, `${describe(group)}\n`);
    }
    return groups.every(({ verdict }) => verdict === 'refused') ? EXIT_REFUSED : EXIT_OK;
  },
};

interface Group {
  workers: string[];
  offer: WorkerOffer | null;
}

/** Workers that say the same are one group; who says nothing that can be read is one without an offer. */
function groupsOf({ workers }: QueueStats): Group[] {
  if (workers.length === 0) return [{ workers: [], offer: null }];
  const byOffer = new Map<string, string[]>();
  for (const { instance, offer } of workers) byOffer.set(offer, [...(byOffer.get(offer) ?? []), instance]);
  return [...byOffer].map(([text, alike]) => {
    const parsed = readOffer(text);
    return { workers: alike, offer: parsed.ok ? parsed.value : null };
  });
}

/** The document itself, or a job that is nothing but the policy, of a runtime that the worker has. */
function jobOf(bytes: Uint8Array, offer: WorkerOffer | null): Job {
  const job = parseJob(bytes, { maxBytes: RUN_MAX_BYTES });
  if (job.ok) return job.value;
  const policy = parsePolicy(bytes);
  if (policy.ok) {
    return { kind: 'job', version: 1, runtime: offer?.runtimes[0] ?? 'bash', command: ['true'], policy: policy.value };
  }
  throw new InvalidJobError(looksLikePolicy(bytes) ? policy.issues : job.issues);
}

function looksLikePolicy(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null && !('kind' in value) && !('runtime' in value);
  } catch {
    return false;
  }
}

function describe({
  workers,
  verdict,
  reasons,
  unknown,
  rules,
  layers,
}: OfferExplanation & { workers: string[] }): string {
  const parts = [
    workers.length === 0 ? 'No worker lives. By the built-in defaults:' : `Workers ${workers.join(', ')}:`,
    rules.map(ruleLine).join('\n'),
    layers.length === 0
      ? ''
      : `  layers: ${layers.map(({ layer, value }) => (value === null ? layer : `${layer} ${value}`)).join(', ')}`,
    unknown.map((what) => `  not known: ${what}`).join('\n'),
    reasons.map(({ outcome, rule, layer, message }) => `  ${outcome}: ${message} [${rule ?? layer}]`).join('\n'),
    { runs: '  It would run.', refused: '  It would be refused.', unknown: '  Nothing known is against it.' }[verdict],
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function ruleLine({ field, value, from, ceiling }: OfferRule): string {
  const shown = Array.isArray(value) ? value.join(', ') || 'none' : String(value);
  const most = ceiling === null ? '' : `  at most ${[ceiling].flat().join(', ')}`;
  return `  ${field.padEnd(34)} ${shown.padEnd(16)} ${from}${most}`;
}
