import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { NOBODY } from './canaries.ts';
import { tasksBelow } from './guests.ts';
import { HostilePen } from './harness.ts';
import { comparePostures, type Posture, postureOf } from './posture.ts';
import { documentOf, jobOf } from './programs.ts';

/** How the tasks of a sandbox stand whose worker is an ordinary user, where the operator accepts what such a host lacks. */
await HostilePen.ofFile();
const CLONE = fileURLToPath(new URL('../..', import.meta.url));
const GOLDEN = JSON.parse(readFileSync(new URL('posture.golden.json', import.meta.url), 'utf8')) as {
  init: Posture;
  payload: Posture;
  user: { init: string[]; payload: string[] };
};
const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-user-'));
chownSync(directory, NOBODY.uid, NOBODY.gid);
afterAll(() => rmSync(directory, { recursive: true }));

const substitutes = [
  { layer: 'uid', by: 'shared' },
  { layer: 'cgroup-memory', by: 'polling' },
  { layer: 'cgroup-pids', by: 'rlimit' },
  { layer: 'cgroup-cpu', by: 'polling' },
];

it("E21 each task of an ordinary user's sandbox stands as it should", async () => {
  const [config, job] = [join(directory, 'config.json'), join(directory, 'job.json')];
  writeFileSync(config, JSON.stringify({ version: 1, runDir: join(directory, 'run'), substitutes }));
  writeFileSync(job, JSON.stringify(documentOf(jobOf('e21-threads.py'))));
  const args = ['worker/cli/main.ts', 'run', job, '--config', config, '--json'];
  const worker = spawn(process.execPath, args, { cwd: CLONE, ...NOBODY, stdio: 'ignore' });
  const ended = once(worker, 'exit');
  const payloads = () => tasksBelow(worker.pid ?? 0).filter(({ name }) => name === 'python3');
  for (let left = 500; payloads().length < 7 && left > 0; left -= 1) await sleep(20);
  const tasks = payloads();
  const main = tasks.find(({ status }) => tasks.every(({ pid }) => pid !== Number(status['PPid'])));
  const words = { instance: 'none', payload: main?.pid ?? 0, init: Number(main?.status['PPid']), paths: {} };
  const postures = tasks.map(({ pid, task }) => postureOf(pid, task, words));
  const init = postureOf(words.init, words.init, words);
  worker.kill('SIGTERM');
  await ended;

  expect(postures).toHaveLength(7);
  for (const posture of postures) expect(comparePostures(GOLDEN.payload, posture)).toEqual(GOLDEN.user.payload);
  expect(comparePostures(GOLDEN.init, init)).toEqual(GOLDEN.user.init);
});
