// A begun attempt, from its document to its result. Whatever goes wrong on our side is a result too: it names its step.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseJob } from '../schemas/parse.ts';
import type { Job, Result } from '../schemas/types.ts';
import type { Begun } from './begin-job.ts';
import type { Execution } from './engine.ts';
import type { Running } from './executions.ts';
import { isResting } from './failures.ts';
import { InputError, withInputs } from './inputs.ts';
import { endedBy, engineFailure, type OwnOutcome, rejection, resultWithoutRun } from './result-document.ts';
import type { Workplace } from './workplace.ts';

const RETRY_MS = 250;
const REST_RETRY_MS = 50;
/** Longer than the native layer ever rests. */
const REST_MAX_MS = 60_000;

/** Runs the job and answers its result. Throws nothing. */
export async function runJob(running: Running, begun: Begun, place: Workplace): Promise<Result> {
  const startedAt = new Date().toISOString();
  const { id, tenant, epoch } = begun;
  const subject = { id, tenant, uid: running.uid, epoch, worker: place.instance, startedAt };
  try {
    const unsealed = place.seal.faultOf(running.uid, begun);
    if (unsealed !== null) return resultWithoutRun(subject, rejection([unsealed]));
    const parsed = parseJob(begun.document);
    if (!parsed.ok) return resultWithoutRun(subject, rejection(parsed.issues));
    const altered = place.seal.alteration(parsed.value, begun);
    if (altered !== null) return resultWithoutRun(subject, rejection([altered]));
    const document = await fetchInputs(running, { begun, job: parsed.value }, place);
    if (document === null) return resultWithoutRun(subject, { kind: 'worker-lost', reason: 'lock-lost' });
    const context = { uid: running.uid, epoch, tenant, id, queuedUs: begun.queuedUs, worker: place.instance };
    const run = () => place.engine.run(document, { ...context, tenureUntilMs: place.fence.tenureOf(running.uid) });
    return await runOnceAwake(running, run);
  } catch (error) {
    return resultWithoutRun(subject, outcomeOf(error, place));
  }
}

/**
 * Runs the job as soon as the native layer makes sandboxes. While it rests after its forkserver died, nothing of a job has begun: the
 * job keeps its slot and waits, so that a worker in trouble doesn't make failures of a whole queue.
 */
async function runOnceAwake(running: Running, run: () => Execution): Promise<Result> {
  const patienceEndsAt = performance.now() + REST_MAX_MS;
  for (;;) {
    const execution = run();
    running.attach(execution);
    const result = await execution.wait();
    if (!isResting(result.outcome) || performance.now() > patienceEndsAt) return result;
    if (running.killedBy !== null) return { ...result, ...endedBy(running.killedBy) };
    await sleep(REST_RETRY_MS);
  }
}

/** The document with all content inline; null when the job was given up while Redis was away. */
async function fetchInputs(
  running: Running,
  { begun, job }: { begun: Begun; job: Job },
  { protocol, log }: Workplace,
): Promise<Uint8Array | null> {
  while (!running.fenced) {
    try {
      return await withInputs(begun.document, job, { tenant: begun.tenant, protocol });
    } catch (error) {
      if (error instanceof InputError) throw error;
      log.debug({ uid: running.uid, err: error }, 'inputs: Redis did not answer');
      await sleep(RETRY_MS);
    }
  }
  return null;
}

function outcomeOf(error: unknown, { log }: Workplace): OwnOutcome {
  if (error instanceof InputError) return error.outcome;
  log.error({ err: error }, 'the native layer refused a run, or its answer can not be read');
  return engineFailure(error);
}
