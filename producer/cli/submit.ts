import type { Result } from '../../schemas/types.ts';
import { BullpenError } from '../errors.ts';
import type { JobHandle, Producer } from '../index.ts';
import { type Settlement, throughWindow } from '../window.ts';
import { type Draft, readDrafts, toJob } from './drafts.ts';
import { parseDuration } from './duration.ts';
import { EXIT_OK, exitCodeOfError, exitCodeOfOutcome } from './exit-code.ts';
import { type Overrides, override, readOverrides } from './overrides.ts';
import { Progress } from './progress.ts';
import { showError, showResult } from './show.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { type Call, optionalText, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

const IN_FLIGHT = 32;
const IN_FLIGHT_MAX = 10_000;

export const submit: Verb = {
  summary: 'submit jobs; with --wait, their results',
  help: `bullpen submit FILE… | -

Submits job documents, or source text with --runtime. - reads one document per line (NDJSON) from stdin.
Prints an id per job (--json: a handle); a line that is refused yields {"index", "error"} instead.

  --runtime NAME  FILE is source text of this runtime, not a document
  --id ID         the job's id, for exactly one FILE
  --file DEST=SRC bring the file SRC as DEST; may be repeated
  --stdin FILE    what the program reads
  --policy FILE   the policy; @NAME is one that the operator defined
  --wait          wait for the results: what the programs wrote, or with - or --json a result document per line as jobs finish
  --timeout 30s   with --wait: how long each job is waited for (it goes on)
  --in-flight N   jobs under way at once, default ${IN_FLIGHT}
  --json          documents instead of text
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen submit --runtime python hello.py --wait
  bullpen submit job.json --file data/in.csv=./in.csv --policy @strict --timeout 30s --wait
  generate-jobs | bullpen submit - --wait --in-flight 100 > results.ndjson
`,
  options: {
    ...QUEUE_OPTIONS,
    runtime: { type: 'string' },
    id: { type: 'string' },
    file: { type: 'string', multiple: true },
    stdin: { type: 'string' },
    policy: { type: 'string' },
    wait: { type: 'boolean' },
    timeout: { type: 'string' },
    'in-flight': { type: 'string' },
  },
  async run(call) {
    const plan = await readPlan(call);
    return withProducer(call, (producer) => new Submission(call, plan, producer).run());
  },
};

interface Plan {
  overrides: Overrides;
  runtime: string | undefined;
  wait: boolean;
  timeoutMs: number | undefined;
  inFlight: number;
  /** Whether jobs come as lines on stdin: then errors are lines too. */
  lines: boolean;
  json: boolean;
}

async function readPlan(call: Call): Promise<Plan> {
  const runtime = optionalText(call, 'runtime');
  const timeout = optionalText(call, 'timeout');
  const wait = call.values['wait'] === true;
  const lines = runtime === undefined && call.positionals.includes('-');
  if (timeout !== undefined && !wait) throw new UsageError('--timeout is about waiting: it needs --wait');
  if (optionalText(call, 'id') !== undefined && (lines || call.positionals.length !== 1)) {
    throw new UsageError('--id names one job: give exactly one FILE with it');
  }
  return {
    overrides: await readOverrides(call),
    runtime,
    wait,
    timeoutMs: timeout === undefined ? undefined : parseDuration('--timeout', timeout),
    inFlight: parseInFlight(optionalText(call, 'in-flight')),
    lines,
    json: call.values['json'] === true,
  };
}

function parseInFlight(text: string | undefined): number {
  const inFlight = Number(text ?? IN_FLIGHT);
  if (Number.isInteger(inFlight) && inFlight >= 1 && inFlight <= IN_FLIGHT_MAX) return inFlight;
  throw new UsageError(`--in-flight takes a number from 1 to ${IN_FLIGHT_MAX}; got ${text}`);
}

/** All jobs of one invocation, on their way through the window. */
class Submission {
  readonly #call: Call;
  readonly #plan: Plan;
  readonly #producer: Producer;
  readonly #progress: Progress;

  constructor(call: Call, plan: Plan, producer: Producer) {
    this.#call = call;
    this.#plan = plan;
    this.#producer = producer;
    this.#progress = new Progress(call.stderr, plan.lines && plan.wait);
  }

  async run(): Promise<number> {
    const { wait, inFlight, runtime } = this.#plan;
    const drafts = readDrafts(this.#call, runtime);
    const order = wait ? 'completed' : 'input';
    let exitCode = EXIT_OK;
    for await (const settled of throughWindow(drafts, (draft) => this.#do(draft), { size: inFlight, order })) {
      this.#progress.clear();
      exitCode = Math.max(exitCode, this.#show(settled));
      this.#progress.count(settled.status);
    }
    this.#progress.clear();
    return exitCode;
  }

  async #do(draft: Draft): Promise<JobHandle | Result> {
    const { overrides, wait, timeoutMs } = this.#plan;
    const handle = await this.#producer.submit(override(toJob(draft), overrides));
    return wait ? handle.result(timeoutMs === undefined ? {} : { timeoutMs }) : handle;
  }

  #show(settled: Settlement<JobHandle | Result>): number {
    if (settled.status === 'rejected') return this.#showRefusal(settled.index, settled.error);
    const { json, lines } = this.#plan;
    if ('outcome' in settled.result) {
      showResult(settled.result, this.#call, json || lines);
      return exitCodeOfOutcome(settled.result.outcome.kind);
    }
    const { id, tenant, status } = settled.result;
    if (json) writeJson(this.#call.stdout, { id, tenant, status });
    else writeText(this.#call.stdout, `${id}\n`);
    return EXIT_OK;
  }

  #showRefusal(index: number, error: unknown): number {
    const exitCode = exitCodeOfError(error);
    if (this.#plan.json || this.#plan.lines) writeJson(this.#call.stdout, { index, error });
    else if (error instanceof BullpenError) showError(error, this.#call.stderr);
    return exitCode;
  }
}
