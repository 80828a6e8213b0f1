// Every limit of a policy, on this host: for a worker that is root, and for one that is an ordinary user, with nothing of the control
// groups, with a part of them, and with what an operator accepts in their place. `test/vm` asks the same of a host with cgroup v2.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Result } from '../../schemas/types.ts';
import { expectKept, expectRefused, LIMITS } from '../helpers/limits.ts';

const CLONE = process.cwd();
/** The clone may lie where only root may look: the user sees it here, in a mount namespace of the command's own. */
const SEEN_AT = '/mnt';
const USER = 61_235;
const KIND = existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : 'v1';
const CONTROLLERS = ['memory', 'pids', 'cpu', 'cpuacct'];
const SHARED = { layer: 'uid', by: 'shared' };
const SUBSTITUTES = [
  SHARED,
  { layer: 'cgroup-memory', by: 'polling' },
  { layer: 'cgroup-pids', by: 'rlimit' },
  { layer: 'cgroup-cpu', by: 'polling' },
];
const jobs = LIMITS.map(({ job }) => job);
const plain = { kind: 'job', version: 1, runtime: 'bash', source: 'echo ran' };

const directory = mkdtempSync(join(tmpdir(), 'bullpen-user-'));
const runDir = join(directory, 'run');
// Not below /tmp, which is the sandbox's own.
const own = mkdtempSync('/var/tmp/bullpen-own-');
for (const path of [directory, runDir, own]) {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  spawnSync('chown', [`${USER}:${USER}`, path]);
}
afterAll(() => {
  for (const path of [directory, own]) rmSync(path, { recursive: true });
});

interface Ran {
  results: Result[];
  stderr: string;
}

/** Runs jobs on one engine, after a line of shell, as root or as the user. */
function run(documents: object[], config: object, { user = false, before = 'true' } = {}): Ran {
  const node = process.execPath.startsWith(`${CLONE}/`) ? process.execPath.replace(CLONE, SEEN_AT) : process.execPath;
  const become = user ? `setpriv --reuid ${USER} --regid ${USER} --clear-groups` : '';
  const script = `mount --bind ${CLONE} ${SEEN_AT} && ${before} && cd ${SEEN_AT} && exec ${become} "$@"`;
  const input = JSON.stringify({ config: { version: 1, ...(user ? { runDir } : {}), ...config }, jobs: documents });
  const command = ['sh', '-c', script, 'sh', node, 'test/programs/jobs.ts', input];
  const { stdout, stderr } = spawnSync('unshare', ['-m', ...command], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: directory, TMPDIR: directory },
  });
  if (stdout === '') throw new Error(stderr);
  return { results: JSON.parse(stdout) as Result[], stderr };
}

describe('as root', () => {
  const { results, stderr } = run(jobs, {});
  it('nothing is said beside the results', () => expect(stderr).toBe(''));
  it.each(LIMITS.map((one, index) => ({ ...one, index })))('$limit is kept', ({ index, ...one }) => {
    expectKept(one, results[index], KIND);
  });
});

describe('as an ordinary user without a part of the control groups', () => {
  const nothing = run(jobs, { substitutes: [SHARED] }, { user: true });
  it.each(LIMITS.map(({ limit }, index) => ({ limit, index })))('$limit: no job starts', ({ index }) => {
    expectRefused(nothing.results[index], 'cgroup-memory');
  });

  it.each(['cgroup-memory', 'cgroup-pids', 'cgroup-cpu', 'uid'])('all but %s accepted is not enough', (layer) => {
    const substitutes = SUBSTITUTES.filter((one) => one.layer !== layer);
    expectRefused(run([plain], { substitutes }, { user: true }).results[0], layer);
  });

  const accepted = run(jobs, { substitutes: SUBSTITUTES }, { user: true });
  it.each(LIMITS.map((one, index) => ({ ...one, index })))('$limit, with all accepted', ({ index, ...one }) => {
    expectKept(one, accepted.results[index], 'substitutes');
    expect(accepted.results[index]?.sandbox?.layers).toContainEqual({ layer: 'uid', value: 'shared' });
  });

  it('a job may be given what the user owns, and a worker gives nothing that others own to write to', () => {
    const policy = { version: 1, filesystem: { readwritePaths: [own] } };
    const job = { ...plain, source: `echo kept >${own}/kept`, policy };
    const giving = (path: string) => ({ substitutes: SUBSTITUTES, roots: [{ path, access: 'readwrite' }] });
    expect(run([job], giving(own), { user: true }).results[0]).toMatchObject({ outcome: { exitCode: 0 } });
    expect(statSync(join(own, 'kept')).uid).toBe(USER);
    spawnSync('chown', ['root:root', own]);
    const why = /roots: .*bullpen-own-.*: to be readwrite it must belong to this worker's own user/;
    expect(() => run([job], giving(own), { user: true })).toThrow(why);
  });

  it('a private loopback needs what nothing stands in for', () => {
    const policy = { version: 1, network: { loopback: 'private' } };
    const { results } = run([{ ...plain, policy }], { substitutes: SUBSTITUTES }, { user: true });
    expectRefused(results[0], 'cgroup-memory');
  });

  it('a layer that a job requires is not what stands in for it', () => {
    for (const { layer } of SUBSTITUTES) {
      const policy = { version: 1, require: [layer] };
      expectRefused(run([{ ...plain, policy }], { substitutes: SUBSTITUTES }, { user: true }).results[0], layer);
    }
  });
});

// Delegation of v2 is the emulated host's.
if (KIND === 'v1') {
  describe('as an ordinary user with a part of the control groups', () => {
    const groups = CONTROLLERS.map((name) => `/sys/fs/cgroup/${name}/user-${process.pid}`);
    const give = (group: string) =>
      `mkdir ${group} && chown ${USER} ${group} ${group}/cgroup.procs && echo $$ >${group}/cgroup.procs`;
    const { results } = run(jobs, { substitutes: [SHARED] }, { user: true, before: groups.map(give).join(' && ') });
    afterAll(() => spawnSync('rmdir', groups));
    it.each(LIMITS.map((one, index) => ({ ...one, index })))('$limit is kept', ({ index, ...one }) => {
      expectKept(one, results[index], 'v1');
    });
  });
}
