// Positive controls: the same programs on the bare host, where they must succeed.

import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NOBODY } from './canaries.ts';
import { type Answers, PROGRAMS } from './programs.ts';

/** Whom a positive control runs as: an ordinary user, root, or root in throw-away namespaces where it could do harm. */
export type Bare = 'nobody' | 'root' | 'root-apart';

const APART = ['--mount', '--net', '--ipc', '--uts', '--pid', '--cgroup', '--fork', '--mount-proc', '--kill-child'];

/** What a program answers on the bare host. */
export async function onHost(as: Bare, program: string, given: object = {}): Promise<Answers> {
  const { stdout } = await runOnHost(as, program, given);
  return JSON.parse(stdout) as Answers;
}

/** How a program ends on the bare host: also one that ends badly, or is ended after `timeoutMs`. */
export async function runOnHost(as: Bare, program: string, given: object = {}, timeoutMs = 20_000): Promise<BareEnd> {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-bare-'));
  chmodSync(directory, 0o777);
  try {
    const command = [...prepare(directory, program), JSON.stringify(given)];
    return await execute(as, command, { cwd: directory, timeout: timeoutMs });
  } finally {
    // Node's own breaks on a deep tree: it opens every directory on the way.
    execFileSync('/bin/rm', ['-rf', directory]);
  }
}

/** The end of a program on the bare host. */
export interface BareEnd {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Puts a program into a directory; returns how it is called there. */
function prepare(directory: string, program: string): string[] {
  for (const file of [program, 'probe.py']) cpSync(join(PROGRAMS, file), join(directory, file));
  if (program.endsWith('.py')) return ['/usr/bin/python3', '-B', program];
  if (program.endsWith('.sh')) return ['/usr/bin/bash', program];
  execFileSync('gcc', ['-O2', '-o', join(directory, 'main'), join(directory, program)], { stdio: 'pipe' });
  return ['./main'];
}

/** In this process' background, so that the listeners in it can answer. */
function execute(as: Bare, command: string[], options: { cwd: string; timeout: number }): Promise<BareEnd> {
  const [file = '', ...args] = as === 'root-apart' ? ['/usr/bin/unshare', ...APART, ...command] : command;
  const env = { PATH: '/usr/bin:/bin', BULLPEN_HOSTILE_CANARY: process.env['BULLPEN_HOSTILE_CANARY'] };
  const all = { ...options, env, ...(as === 'nobody' ? NOBODY : {}), encoding: 'utf8', killSignal: 'SIGKILL' } as const;
  return new Promise((resolve) => {
    const child = execFile(file, args, { ...all, maxBuffer: 1 << 26 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}
