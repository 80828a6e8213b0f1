// The hostile programs: one small file each, in test/programs/hostile.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job } from '../../schemas/types.ts';

export const PROGRAMS = fileURLToPath(new URL('../programs/hostile', import.meta.url));

/** What a probe program answered, attempt by attempt. */
export type Answers = Record<string, unknown>;
export type Limits = Record<string, number | string>;
export type JobFields = Partial<Omit<Job, 'policy'>> & { limits?: Limits; policy?: Record<string, unknown> };

/** The job that runs a program: its language by its ending, `given` as JSON in its first argument. */
export function jobOf(program: string, { given = {}, ...more }: JobFields & { given?: object } = {}): JobFields {
  const source = readProgram(program);
  const args = [JSON.stringify(given)];
  if (program.endsWith('.c')) return { runtime: 'c', source, args, ...more };
  if (program.endsWith('.sh')) return { runtime: 'bash', source, args, ...more };
  const probe = { path: 'probe.py', text: readProgram('probe.py') };
  return { runtime: 'python', source, args, ...more, files: [probe, ...(more.files ?? [])] };
}

export function readProgram(name: string): string {
  return readFileSync(join(PROGRAMS, name), 'utf8');
}

/** A whole document, with the fields that every job has. */
export function documentOf({ limits, policy, ...fields }: JobFields): object {
  return {
    kind: 'job',
    version: 1,
    runtime: 'python',
    policy: { version: 1, ...policy, limits: limits ?? {} },
    ...fields,
  };
}

/** The same attempts, each answered by `value`. */
export function every(answers: object, value: unknown): Answers {
  return Object.fromEntries(Object.keys(answers).map((key) => [key, value]));
}

/** The attempts that were answered by `value`. */
export function keysWith(answers: Answers, value: unknown): string[] {
  return Object.keys(answers).filter((key) => answers[key] === value);
}
