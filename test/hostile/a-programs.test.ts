import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

/** The programs of ours are out of reach; those of a job run in its own confinement. */
const pen = await HostilePen.ofFile();
const scratch = mkdtempSync(join(tmpdir(), 'bullpen-hostile-programs-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const FORKSERVER = fileURLToPath(new URL('../../native/bin/bullpen-forkserver', import.meta.url));

it('A12 no program of ours can be read, let alone changed', async () => {
  const copy = join(scratch, 'sleep');
  cpSync('/usr/bin/sleep', copy);
  const [stays, ends] = [spawn(copy, ['60']), spawn(copy, ['60'])];
  const outside = await onHost('root', 'a12-programs.py', { pids: [stays.pid], ends: ends.pid });
  stays.kill('SIGKILL');
  // While it runs nobody writes to it; whoever held it open may as soon as it has ended, unless somebody else runs it.
  expect(outside).toEqual({ [`write ${stays.pid}`]: 'ETXTBSY', [`read ${stays.pid}`]: 'ok', overwrite: 'ETXTBSY' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const alone = spawn(copy, ['60']);
  expect(await onHost('root', 'a12-programs.py', { pids: [], ends: alone.pid })).toEqual({ overwrite: 'ok' });
  expect(readFileSync(copy).subarray(0, 7).toString()).toBe('hostile');

  const before = readFileSync(FORKSERVER);
  expect(await pen.ask('a12-programs.py')).toEqual({
    'write 1': 'ENOENT',
    'read 1': 'ENOENT',
    'write self': 'EACCES',
    'read self': 'ok',
  });
  expect(readFileSync(FORKSERVER).equals(before)).toBe(true);
});

it('A12 a command that is /proc/self/exe starts nothing of ours', async () => {
  const text = '#!/proc/self/exe\n';
  writeFileSync(join(scratch, 'x'), text);
  chmodSync(join(scratch, 'x'), 0o755);
  // On the host a shell that starts it becomes its interpreter.
  expect(spawnSync('bash', ['-c', './x; exit $?'], { cwd: scratch }).status).toBe(0);
  const script = { path: 'x', text, executable: true };
  for (const command of ['/proc/self/exe', '/proc/1/exe', './x', '/proc/self/fd/3', '/proc/self/fd/4']) {
    const { outcome, stderr } = await pen.run({ runtime: 'bash', command: [command], files: [script] });
    expect(outcome, `${command}: ${stderr?.text}`).toMatchObject({ kind: 'exited', exec: expect.any(String) });
  }
});

it('A13 programs of its own run in its own confinement, and nothing is gained', async () => {
  chmodSync(scratch, 0o777);
  const outside = await onHost('nobody', 'a13-own-programs.py', { directories: [scratch] });
  const free = { CapEff: '0000000000000000', NoNewPrivs: '0', Seccomp: '0', Uid: expect.stringMatching(/^65534/) };
  expect(outside).toEqual(every(outside, free));
  const inside = await pen.ask('a13-own-programs.py', { directories: ['/work', '/tmp', '/dev/shm'] });
  const uid = expect.stringMatching(/^(\d+)\t\1\t\1\t\1$/);
  expect(inside).toEqual(every(inside, { CapEff: '0000000000000000', NoNewPrivs: '1', Seccomp: '2', Uid: uid }));
  expect(Object.keys(inside)).toHaveLength(4);
});
