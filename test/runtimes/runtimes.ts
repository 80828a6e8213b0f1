// The runtimes of `runtimes.json`: what each needs of the machine, its job, and its files.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAMS = fileURLToPath(new URL('../programs/runtimes', import.meta.url));

/** One entry of the list. */
export interface Runtime {
  name: string;
  /** A runtime of the worker: whose root file system the job gets. */
  runtime: string;
  /** Files of the machine, or programs in its `PATH`. */
  needs: string[];
  /** Why a machine may be without it; else its absence is a failure. */
  mayBeMissing?: string;
  profile: 'strict' | 'compatible';
  /** Why this profile. */
  why: string;
  files: string[];
  /** Compiles a file of the job on the machine: `{program}` is its source, `{out}` what is to be written. */
  compiled?: { from: string; to: string; by: string[] };
  command: string[];
  limits: Record<string, number>;
  /** Each call that is denied to it, and why that is no loss. */
  denied: Record<string, string>;
}

/** A file as it lies in the job's workspace. */
export interface JobFile {
  path: string;
  bytes: Buffer;
  executable: boolean;
}

/** The list. */
export const RUNTIMES = JSON.parse(readFileSync(new URL('runtimes.json', import.meta.url), 'utf8')) as Runtime[];

/** What the machine lacks of a runtime's needs. */
export function missing({ needs }: Runtime): string[] {
  const path = (process.env.PATH ?? '').split(':');
  return needs.filter(
    (need) => !(need.startsWith('/') ? [need] : path.map((folder) => join(folder, need))).some(existsSync),
  );
}

/** The files of a runtime's job; what must be compiled is compiled into `scratch`. */
export function filesOf({ files, compiled }: Runtime, scratch: string): JobFile[] {
  const ready = files.map((path) => ({ path, bytes: readFileSync(join(PROGRAMS, path)), executable: false }));
  if (compiled === undefined) return ready;
  const out = join(scratch, compiled.to);
  const places: Record<string, string> = { '{program}': join(PROGRAMS, compiled.from), '{out}': out };
  const [program = '', ...words] = compiled.by.map((word) => places[word] ?? word);
  const built = spawnSync(program, words, { encoding: 'utf8', env: { ...process.env, CGO_ENABLED: '0' } });
  if (built.status !== 0 || !statSync(out).isFile()) throw new Error(built.stderr);
  return [...ready, { path: compiled.to, bytes: readFileSync(out), executable: true }];
}
