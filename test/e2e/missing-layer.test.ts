import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { checkReport } from '../../schemas/parse.ts';
import { type CheckedLayer, LAYERS } from '../../schemas/types.ts';
import { CLONE } from '../helpers/readme.ts';

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

/** What a report, which must be one by its schema, says of a layer. */
function layerOf(report: string, layer: string): CheckedLayer | undefined {
  const parsed = checkReport(report);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.value.layers.find((entry) => entry.layer === layer);
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
  expect(layerOf(check.stdout, layer)).toMatchObject({ held: false, remedy: expect.stringMatching(/\w/) });
  const row = within(preparation, 'check')
    .stdout.split('\n')
    .find((line) => line.includes(` ${layer} `));
  expect(row).toMatch(/^FAIL .*Remedy: run the worker as root/);
});

it('with everything there the same job runs, and check is content', () => {
  expect(JSON.parse(within('true', `run ${job} --json`).stdout)).toMatchObject({ stdout: { text: 'ran\n' } });
  const check = within('true', 'check --json');
  expect(check.status).toBe(0);
  expect(layerOf(check.stdout, 'capabilities')).toMatchObject({ held: true, triedBy: 'chroot → EPERM' });
  for (const layer of LAYERS.filter((name) => name !== 'vm' && name !== 'gvisor')) {
    expect(layerOf(check.stdout, layer), layer).toMatchObject({ held: true, triedBy: expect.stringContaining(' → ') });
  }
});

it('what the operator accepts in place of a layer is tried in its place, for an ordinary user too', () => {
  const config = join(directory, 'substitutes.json');
  const substitutes = [
    { layer: 'uid', by: 'shared' },
    { layer: 'cgroup-memory', by: 'polling' },
    { layer: 'cgroup-pids', by: 'rlimit' },
    { layer: 'cgroup-cpu', by: 'polling' },
  ];
  writeFileSync(config, JSON.stringify({ version: 1, runDir: join(directory, 'run'), substitutes }));
  const asUser = 'chown 65534:65534 . && exec setpriv --reuid 65534 --regid 65534 --clear-groups';
  const args = [
    '-m',
    'sh',
    '-c',
    `cd ${directory} && ${asUser} ${process.execPath} ${CLONE}/worker/cli/main.ts check --json --config ${config}`,
  ];
  const check = spawnSync('unshare', args, { encoding: 'utf8' });
  expect(check.status, check.stdout + check.stderr).toBe(0);
  expect(layerOf(check.stdout, 'cgroup-pids')).toMatchObject({ value: 'rlimit', triedBy: 'fork beyond → EAGAIN' });
  expect(layerOf(check.stdout, 'cgroup-memory')).toMatchObject({
    value: 'polling',
    triedBy: 'use memory → killed at its memory',
  });
  expect(layerOf(check.stdout, 'cgroup-cpu')).toMatchObject({
    value: 'polling',
    triedBy: 'spin → killed at its CPU time',
  });
  expect(layerOf(check.stdout, 'uid')).toMatchObject({ value: 'shared', triedBy: 'setuid 0 → EINVAL' });
});

it('what a worker refuses to serve, it says at start', () => {
  const start = within('umount /sys/fs/cgroup/pids', 'start');
  expect(start.status).toBe(4);
  expect(start.stderr).toMatch(/cgroup-pids: .*Remedy: /);
});
