// A program on the bare host under a profile's filter, each denied call counted: `native/sandbox/examples/denied.rs`.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cargo } from '../../ops/cargo.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));
const WITHIN_MS = 100_000;

/** What a program printed, and how often which call was denied to it. */
export interface Recorded {
  status: number | null;
  stdout: string;
  stderr: string;
  denied: Record<string, number>;
}

/** Builds the recorder and gives the path of its program. */
export function buildRecorder(): string {
  const [program = '', ...words] = cargo('build', '--example', 'denied', '--message-format=json', '--quiet');
  const built = spawnSync(program, words, { cwd: CLONE, encoding: 'utf8', maxBuffer: 1 << 26 });
  const path = /"executable":"([^"]+\/examples\/denied)"/.exec(built.stdout)?.[1];
  if (built.status !== 0 || path === undefined) throw new Error(built.stderr);
  return path;
}

/** Runs `command` in `directory` with the environment that a job has. */
export function record(recorder: string, profile: string, directory: string, command: string[]): Recorded {
  const report = join(directory, 'denied.json');
  const environment = { HOME: directory, PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', TMPDIR: '/tmp' };
  const options = { cwd: directory, env: environment, encoding: 'utf8', timeout: WITHIN_MS } as const;
  const { status, stdout, stderr } = spawnSync(recorder, [profile, report, ...command], options);
  return { status, stdout, stderr, denied: JSON.parse(readFileSync(report, 'utf8')) as Record<string, number> };
}
