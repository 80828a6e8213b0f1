import { join } from 'node:path';
import type { JobInput } from '../../producer/index.ts';

/** One job of a chaos run, and what its client will do. */
export interface Plan {
  job: JobInput & { id: string; attempts: number };
  /** What the program writes to stdout when it ends by itself. */
  says: string;
  /** Milliseconds after its acceptance that its client asks for its end; null: never. */
  cancelAfterMs: number | null;
  /** Whether its client submits it once, whatever comes of it. */
  givesUp: boolean;
  /** Whether it appends a line to a file of its own, on the host, when it begins. */
  leavesMarks: boolean;
}

const LARGE = 100_000;

/** What the jobs of a run have in common. */
export interface PlanGround {
  /** Comes before the number in each job's id. */
  prefix: string;
  /** A directory of the host where jobs may write. */
  marks: string;
  /** Numbers from 0 up to 1, that follow from the run's seed. */
  random: () => number;
}

/**
 * Short jobs, each with its own words: most say them at once, some later, some much more than a result holds inline. Some may
 * begin thrice, some expire soon, some are cancelled.
 */
export function planOf(n: number, { prefix, marks, random }: PlanGround): Plan {
  const [kind, chance, fate] = [random(), random(), random()];
  const id = `${prefix}-${n}`;
  const leavesMarks = kind < 0.1;
  const says = kind > 0.97 ? 'x'.repeat(LARGE) : `${id}\n`;
  const sleeps = kind < 0.25 ? `sleep ${(chance * 0.6).toFixed(2)};` : '';
  const job: Plan['job'] = {
    kind: 'job',
    version: 1,
    runtime: 'bash',
    id,
    attempts: random() < 0.3 ? 3 : 1,
    expiresInMs: fate < 0.03 ? Math.ceil(chance * 500) : 600_000,
    command: ['/bin/echo', id],
    ...(leavesMarks && { policy: { version: 1, filesystem: { readwritePaths: [marks] } } }),
  };
  if (leavesMarks) job.command = bash(`echo begun >> ${join(marks, id)}; ${sleeps} echo ${id}`);
  else if (sleeps !== '') job.command = bash(`${sleeps} echo ${id}`);
  else if (says.length === LARGE) job.command = bash(`head -c ${LARGE} /dev/zero | tr '\\0' x`);
  const cancelAfterMs = fate > 0.95 ? Math.floor(chance * 300) : null;
  return { job, says, cancelAfterMs, givesUp: fate > 0.9 && fate < 0.92, leavesMarks };
}

function bash(script: string): [string, ...string[]] {
  return ['/bin/bash', '-c', script];
}
