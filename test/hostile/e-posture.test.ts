import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { tasksOf, untilNoGuests } from './guests.ts';
import { HostilePen, type JobFields, jobOf } from './harness.ts';
import { comparePostures, type Posture, postureOf } from './posture.ts';

/** How each task of a sandbox stands, seen from outside: exactly as is checked in, no more and no less. */
const OWNER = 64_243;
const data = mkdtempSync('/var/tmp/bullpen-hostile-data-');
for (const name of ['in', 'in/hidden', 'out']) mkdirSync(join(data, name));
for (const name of ['', 'in', 'in/hidden', 'out']) chownSync(join(data, name), OWNER, OWNER);
afterAll(() => rmSync(data, { recursive: true }));
const pen = await HostilePen.ofFile({ roots: [{ path: data, access: 'readwrite' }] });

interface Golden {
  init: Posture;
  payload: Posture;
  /** What each policy changes of that, as the comparison says it. */
  changes: Record<string, { init: string[]; payload: string[] }>;
}
const GOLDEN = JSON.parse(readFileSync(new URL('posture.golden.json', import.meta.url), 'utf8')) as Golden;

const [reading, writing, denied] = [join(data, 'in'), join(data, 'out'), join(data, 'in/hidden')];
const POLICIES: Record<string, JobFields> = {
  strict: {},
  compatible: { policy: { syscalls: 'compatible' } },
  'private loopback': { policy: { network: { loopback: 'private' } } },
  'host paths': {
    policy: { filesystem: { readonlyPaths: [reading], readwritePaths: [writing], deniedPaths: [denied] } },
  },
  limits: { limits: { openFiles: 100, diskBytes: 1_048_576, inodes: 500 } },
  environment: { env: { LD_PRELOAD: '/work/none.so', K: 'v' } },
};

for (const [name, fields] of Object.entries(POLICIES)) {
  it(`E21 each task of a sandbox stands as it should: ${name}`, async () => {
    const execution = pen.start(jobOf('e21-threads.py', fields));
    for (let left = 1_000; tasksOf(pen).length < 7 && left > 0; left -= 1) await sleep(20);
    const tasks = tasksOf(pen);
    const main = tasks.find(
      ({ pid, status }) => tasks.every((other) => other.pid !== Number(status['PPid'])) && pid > 0,
    );
    const words = {
      instance: pen.lease.instance,
      payload: main?.pid ?? 0,
      init: Number(main?.status['PPid']),
      paths: { [data]: '/DATA' },
    };
    const postures = tasks.map(({ pid, task }) => postureOf(pid, task, words));
    const init = postureOf(words.init, words.init, words);
    execution.kill('cancelled');
    expect((await execution.wait()).outcome).toEqual({ kind: 'cancelled', by: 'caller' });
    await untilNoGuests(pen, 1_000);

    expect(postures).toHaveLength(7);
    for (const posture of postures)
      expect(comparePostures(GOLDEN.payload, posture)).toEqual(GOLDEN.changes[name]?.payload);
    expect(comparePostures(GOLDEN.init, init)).toEqual(GOLDEN.changes[name]?.init);
  });
}
