// A begun attempt, from its document to its result. Whatever goes wrong on our side is a result too: it names its step.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseJob } from '../schemas/parse.ts';
import type { Job, Result } from '../schemas/types.ts';
import type { Begun } from './begin-job.ts';
import type { Running } from './executions.ts';
import { InputError, withInputs } from './inputs.ts';
import { engineFailure, type OwnOutcome, rejection, resultWithoutRun } from './result-document.ts';
import type { Workplace } from './workplace.ts';

const RETRY_MS = 250;

/** Runs the job and answers its result. Throws nothing. */
export async function runJob(running: Running, begun: Begun, place: Workplace): Promise<Result> {
  const startedAt = new Date().toISOString();
  const { id, tenant, epoch } = begun;
  const subject = { id, tenant, uid: running.uid, epoch, worker: place.instance, startedAt };
  try {
    const parsed = parseJob(begun.document);
    if (!parsed.ok) return resultWithoutRun(subject, rejection(parsed.issues));
    const document = await fetchInputs(running, { begun, job: parsed.value }, place);
    if (document === null) return resultWithoutRun(subject, { kind: 'worker-lost', reason: 'lock-lost' });
    const context = { uid: running.uid, epoch, tenant, id, queuedUs: begun.queuedUs, worker: place.instance };
    const execution = place.engine.run(document, context);
    running.attach(execution);
    return await execution.wait();
  } catch (error) {
    return resultWithoutRun(subject, outcomeOf(error, place));
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
