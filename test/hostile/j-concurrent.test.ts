import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };

const token = () => `t${randomBytes(8).toString('hex')}`;
const nap = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const [PORT, OTHER_PORT] = [18_091, 18_092];

/** One of a pair leaves its own and stays, the other comes later. */
function pair() {
  const [one, two] = [token(), token()];
  const first = { token: one, peer: two, port: PORT, peerPort: OTHER_PORT, seconds: 4 };
  return [first, { token: two, peer: one, port: OTHER_PORT, peerPort: PORT, seconds: 0 }] as const;
}

it('J03 J05 two jobs at once do not meet', async () => {
  const [first, second] = pair();
  const [, there] = await Promise.all([
    onHost('nobody', 'j05-meet.py', first),
    nap(1_500).then(() => onHost('nobody', 'j05-meet.py', second)),
  ]);
  // The control: two processes of the host meet at every place.
  expect(there).toEqual(every(there, 'ok'));
  const [mine, theirs] = pair();
  const both = await Promise.all([
    pen.ask('j05-meet.py', mine, PRIVATE),
    nap(1_500).then(() => pen.ask('j05-meet.py', theirs, PRIVATE)),
  ]);
  for (const { connect, ...answers } of both) {
    expect(answers).toEqual({ bind: 'ok', listen: 'ok', file: 'ENOENT', port: 'ECONNREFUSED' });
    expect(['ECONNREFUSED', 'EPERM']).toContain(connect);
  }
});

it('J06 two jobs at once do not see each other', async () => {
  const peer = pen.neighbour;
  const { seen: all, ...outside } = await onHost('root', 'j06-look.py', { peer });
  expect(outside).toEqual(every(outside, 'ok'));
  expect(all).toBeGreaterThan(1);
  const { seen, ...answers } = await pen.ask('j06-look.py', { peer });
  expect(seen).toBe(1);
  for (const answer of Object.values(answers)) expect(['ENOENT', 'ESRCH', 'EPERM', 'ENOSYS']).toContain(answer);
});

it('J07 no path leads to another job', async () => {
  const own = ['instances', 'stage', ''].map((name) => `${pen.runDir}/${name}`).filter((path) => existsSync(path));
  const groups = ['memory', 'pids', '']
    .map((name) => `/sys/fs/cgroup/${name}/bullpen`)
    .filter((path) => existsSync(path));
  const paths = [...own, ...groups, `/proc/${pen.neighbour}/root/work`];
  const outside = await onHost('root', 'j07-paths.py', { paths });
  expect(outside).toEqual(every(outside, 'ok'));
  expect(paths.length).toBeGreaterThan(1);
  const answers = await pen.ask('j07-paths.py', { paths });
  expect(answers).toEqual(every(answers, 'ENOENT'));
});

it('J17 what 32 jobs at once say is not mixed up', async () => {
  const jobs = Array.from({ length: 32 }, (_, index) => ({ token: token(), code: index + 1 }));
  const limits = { wallTimeMs: 60_000 };
  const results = await Promise.all(
    jobs.map((given) => pen.attack('j17-echo.py', { given, artifacts: ['out'], limits })),
  );
  const said = results.map(({ outcome, stdout, stderr, artifacts }) => [
    outcome.kind === 'exited' && outcome.exitCode,
    stdout?.text,
    stderr?.text,
    ...artifacts.map((one) => 'text' in one && one.text),
  ]);
  expect(said).toEqual(jobs.map(({ token: mine, code }) => [code, mine, mine, mine]));
});
