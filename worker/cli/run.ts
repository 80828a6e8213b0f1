// `bullpen-worker run`: one job document straight through the native layer. No Redis, so no blobs: all content is inline.

import { newUid } from '../../protocol/uid.ts';
import { type Issue, parseJob, RUN_MAX_BYTES } from '../../schemas/parse.ts';
import type { Job, OutcomeKind, Result } from '../../schemas/types.ts';
import { loadSettings, type Settings } from '../config.ts';
import { forOneJob, type LeasedEngine, openEngine } from '../lease.ts';
import { engineFailure, failure, type OwnOutcome, rejection, resultWithoutRun } from '../result-document.ts';
import { exitCodeOf, programExitCode } from './exit-code.ts';
import { Interruption } from './interruption.ts';
import { behaveAsProgram, printLine, readDocument } from './streams.ts';
import { UsageError } from './usage.ts';

export interface RunArguments {
  /** Path of the job document; `-` is stdin. */
  file: string;
  config: string | null;
  /** A backend in place of what the policy asks for. */
  containment: string | null;
  json: boolean;
}

/** The name of a worker that has no lease yet. */
const NAMELESS = 'run';

/** Runs a document and answers the exit code; with `json` prints exactly one result document, whatever it was given. */
export async function runDocument({ file, config, containment, json }: RunArguments): Promise<number> {
  const settings = loadSettings(config, process.env);
  const interruption = new Interruption();
  const document = await readDocument(file, RUN_MAX_BYTES);
  const result = await resultOf(document, { settings, containment, interruption });
  if (json) {
    const { text, kind } = printable(result);
    await printLine(text);
    return exitCodeOf(kind);
  }
  await behaveAsProgram(result);
  return programExitCode(result.outcome, interruption.signal);
}

/** The document's one line. A result that no string can hold gives way to one that says so. */
function printable(result: Result): { text: string; kind: OutcomeKind } {
  try {
    return { text: JSON.stringify(result), kind: result.outcome.kind };
  } catch (error) {
    const instead = resultWithoutRun(result, engineFailure(error));
    return { text: JSON.stringify(instead), kind: instead.outcome.kind };
  }
}

interface Circumstances {
  settings: Settings;
  containment: string | null;
  interruption: Interruption;
}

async function resultOf(document: Uint8Array, { settings, containment, interruption }: Circumstances): Promise<Result> {
  const parsed = parseJob(document, { maxBytes: RUN_MAX_BYTES });
  if (!parsed.ok) {
    const nobody = { id: null, tenant: null, uid: null, epoch: 0, worker: NAMELESS, startedAt: null };
    return resultWithoutRun(nobody, rejection(parsed.issues));
  }
  const job = parsed.value;
  const uid = newUid();
  const subject = { id: job.id ?? uid, tenant: job.tenant ?? 'default', uid };
  const without = (outcome: OwnOutcome) =>
    resultWithoutRun({ ...subject, epoch: 0, worker: NAMELESS, startedAt: null }, outcome);

  const blobs = blobsOf(job);
  if (blobs.length > 0) return without(rejection(blobs));
  const bytes = containment === null ? document : withContainment(job, containment, settings);
  const opened = await openForOneJob(settings);
  if (opened === null) return without(failure('open', 'engine', 'the native layer could not be opened'));
  const { engine, lease } = opened;
  try {
    const execution = engine.run(bytes, { ...subject, epoch: 1, queuedUs: 0, worker: lease.instance });
    interruption.whenInterrupted(() => execution.kill('cancelled'));
    return await execution.wait();
  } catch (error) {
    process.stderr.write(`bullpen-worker: ${error instanceof Error ? error.message : String(error)}\n`);
    return without(engineFailure(error));
  } finally {
    await engine.close();
  }
}

/** Opens the native layer for one job; null, and the reason on stderr, when that fails. */
async function openForOneJob(settings: Settings): Promise<LeasedEngine | null> {
  try {
    const leased = await openEngine(forOneJob(settings), { drops: true });
    leased.dropPrivileges();
    return leased;
  } catch (error) {
    process.stderr.write(`bullpen-worker: ${error instanceof Error ? error.message : String(error)}\n`);
    return null;
  }
}

/** One issue per content that lies elsewhere. */
function blobsOf(job: Job): Issue[] {
  const contents = [
    { path: 'stdin', content: job.stdin },
    ...(job.files ?? []).map((content, index) => ({ path: `files[${index}]`, content })),
  ];
  return contents
    .filter(({ content }) => content?.blob !== undefined)
    .map(({ path }) => ({
      path: `${path}.blob`,
      rule: 'blob',
      message: `${path}.blob can't be resolved: run has no Redis. Give the content as text or base64`,
    }));
}

/** The document with another containment; a named policy is put in its place, so that the name no longer stands. */
function withContainment(job: Job, containment: string, { document }: Settings): Uint8Array {
  const named = job.policy !== undefined && 'name' in job.policy ? document.policies?.[job.policy.name] : job.policy;
  if (job.policy !== undefined && named === undefined) return Buffer.from(JSON.stringify(job));
  const text = JSON.stringify({ ...job, policy: { ...named, containment } });
  const parsed = parseJob(text, { maxBytes: RUN_MAX_BYTES });
  if (parsed.ok) return Buffer.from(text);
  throw new UsageError(`--containment ${containment}: ${parsed.issues[0]?.message ?? 'unknown backend'}`);
}
