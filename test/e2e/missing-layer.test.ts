import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

/** A host that lacks one layer: this one, with a mount taken away in a mount namespace of the command's own. */
const directory = mkdtempSync(join(tmpdir(), 'bullpen-missing-'));
const job = join(directory, 'job.json');
writeFileSync(job, JSON.stringify({ kind: 'job', version: 1, runtime: 'bash', source: 'echo ran' }));
afterAll(() => rmSync(directory, { recursive: true }));

const WORKER = `${process.execPath} worker/cli/main.ts`;

function within(preparation: string, command: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('unshare', ['-m', 'sh', '-c', `${preparation} && exec ${WORKER} ${command}`], { encoding: 'utf8' });
}

/** Control group directories of a worker instance, in every hierarchy. */
function groupsOf(instance: string): string {
  return spawnSync('find', ['/sys/fs/cgroup', '-path', `*/bullpen/${instance}*`], { encoding: 'utf8' }).stdout;
}

const cases: [string, string][] = [
  ['cgroup-pids', 'umount /sys/fs/cgroup/pids'],
  ['cgroup-memory', 'umount /sys/fs/cgroup/memory'],
];

it.each(cases)('without %s a job is refused as unavailable, and check says so', (layer, preparation) => {
  const run = within(preparation, `run ${job} --json`);
  expect(JSON.parse(run.stdout)).toMatchObject({
    outcome: { kind: 'unavailable', layer },
    attribution: 'system',
    rewardSafe: false,
  });
  expect(run.status).toBe(3);
  expect(groupsOf((JSON.parse(run.stdout) as { worker: string }).worker)).toBe('');
  const check = within(preparation, 'check --json');
  expect(check.status).toBe(4);
  const { layers } = JSON.parse(check.stdout) as { layers: { layer: string; held: boolean; remedy: string | null }[] };
  expect(layers.find((entry) => entry.layer === layer)).toMatchObject({
    held: false,
    remedy: expect.stringMatching(/\w/),
  });
});

it('with everything there the same job runs, and check is content', () => {
  expect(JSON.parse(within('true', `run ${job} --json`).stdout)).toMatchObject({ stdout: { text: 'ran\n' } });
  expect(within('true', 'check').status).toBe(0);
});

it('what a worker refuses to serve, it says at start', () => {
  const start = within('umount /sys/fs/cgroup/pids', 'start');
  expect(start.status).toBe(4);
  expect(start.stderr).toMatch(/cgroup-pids: .*Remedy: /);
});
