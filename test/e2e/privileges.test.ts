import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { compareInventories, type Inventory, ofInstances, takeInventory } from '../../ops/inventory.ts';
import type { JobInput, Result } from '../../producer/index.ts';
import { Pen, until } from '../helpers/pen.ts';
import { childrenOf, forkserversOf, threadsOf } from '../helpers/processes.ts';

let pen: Pen;
beforeEach(async () => {
  pen = await Pen.open();
});
afterEach(() => pen.close());

const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;
const NONE = '0000000000000000';
/** By number, as in capability.h; the forkserver's source says what each is for. */
const KEPT = {
  CHOWN: 0,
  DAC_READ_SEARCH: 2,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
};
/** Permitted and not in effect, but while a directory in the root of a cgroup hierarchy is made. */
const DAC_OVERRIDE = 1;

function setOf(capabilities: number[]): string {
  const bits = capabilities.reduce((sum, number) => sum | (1n << BigInt(number)), 0n);
  return bits.toString(16).padStart(16, '0');
}

/** The distinct values of a field over all threads of a process. */
function valuesOf(pid: number, field: string): string[] {
  return [...new Set(threadsOf(pid).map((status) => status.get(field) ?? 'missing'))];
}

const PROBE = new URL('../programs/file-probe.ts', import.meta.url).href;

/** What the probe in a worker has said: when, of which file, and every distinct answer of its threads. */
function answersOf(log: string): unknown[][] {
  const lines = log.split('\n').filter((line) => line.startsWith('{"probe"'));
  return lines.map((line) => Object.values(JSON.parse(line)));
}

function oomScoreOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));
}

const withFiles = (text: string): JobInput =>
  ({
    kind: 'job',
    version: 1,
    runtime: 'bash',
    source: 'cat in/file; mkdir out; cp in/file out; chmod 0 out/file out',
    files: [{ path: 'in/file', text }],
    artifacts: ['out/file'],
  }) as JobInput;

function isForkservers({ outcome }: Result): boolean {
  return outcome.kind === 'failed' && outcome.step === 'forkserver';
}

async function runWithFiles(text: string): Promise<void> {
  let result = await pen.producer.run(withFiles(text), { timeoutMs: 30_000 });
  // A job may meet the forkserver that was killed just now, or the pause before the next: its failure says so.
  for (const end = Date.now() + 20_000; Date.now() < end && isForkservers(result); await sleep(250)) {
    result = await pen.producer.run(withFiles(text), { timeoutMs: 30_000 });
  }
  expect(result).toMatchObject({
    outcome: { kind: 'exited', exitCode: 0 },
    stdout: { text },
    artifacts: [{ path: 'out/file', text }],
  });
}

it('a worker started as root becomes an ordinary user on every thread, and only the forkserver keeps what it needs', async () => {
  const worker = await pen.startWorker();
  await runWithFiles('before');
  const threads = threadsOf(worker.pid);
  expect(threads.length).toBeGreaterThan(4);
  for (const field of SETS) expect([field, valuesOf(worker.pid, field)]).toEqual([field, [NONE]]);
  const [ids = ''] = valuesOf(worker.pid, 'Uid');
  const [uid] = ids.split('\t').map(Number);
  expect(uid).toBeGreaterThan(0);
  for (const field of ['Uid', 'Gid']) expect(valuesOf(worker.pid, field)).toEqual([Array(4).fill(uid).join('\t')]);
  expect([valuesOf(worker.pid, 'Groups'), valuesOf(worker.pid, 'NoNewPrivs')]).toEqual([[''], ['1']]);

  const kept = setOf(Object.values(KEPT));
  const withReserve = setOf([DAC_OVERRIDE, ...Object.values(KEPT)]);
  for (const pid of [...childrenOf(worker.pid), ...forkserversOf(worker.pid)]) {
    const sets = SETS.map((field) => valuesOf(pid, field));
    expect(sets).toEqual([[NONE], [withReserve], [kept], [kept], [NONE]]);
  }
  // Where memory is short a job goes first (its processes are at 1000): these are where they were started.
  for (const pid of [worker.pid, ...childrenOf(worker.pid), ...forkserversOf(worker.pid)]) {
    expect(oomScoreOf(pid)).toBe(oomScoreOf(process.pid));
  }
  expect(oomScoreOf(process.pid)).toBeLessThan(1000);
  // What reads these states sees it where something was kept: this process is root's.
  expect(valuesOf(process.pid, 'CapEff')).not.toEqual([NONE]);
  expect(await worker.stop()).toBe(0);
}, 60_000);

it('what only root may read a worker reads before it has given up being root, and not after', async () => {
  const place = mkdtempSync(join(tmpdir(), 'bullpen-privileges-'));
  chmodSync(place, 0o755);
  const [secret, open] = [join(place, 'secret'), join(place, 'open')];
  writeFileSync(secret, 'root only', { mode: 0o600 });
  writeFileSync(open, 'for all', { mode: 0o644 });
  const env = { BULLPEN_PROBE: `${secret}:${open}`, NODE_OPTIONS: `--import=${PROBE}` };
  const worker = await pen.startWorker({}, env);
  await runWithFiles('probed');
  worker.kill('SIGUSR2');
  await until('it has answered', () => answersOf(worker.log()).length === 4);
  expect(answersOf(worker.log())).toEqual([
    ['before', secret, 'opened'],
    ['before', open, 'opened'],
    ['after', secret, 'EACCES'],
    ['after', open, 'opened'],
  ]);
  rmSync(place, { recursive: true });
}, 60_000);

it('without privileges a worker has its forkserver started again, any number of times, and leaves nothing', async () => {
  const worker = await pen.startWorker();
  await runWithFiles('first');
  const [, instance = ''] = /"worker":"(w-[a-z2-7]{5})"/.exec(worker.log()) ?? [];
  const place = { uids: { first: 0, count: 0 }, directories: [`${worker.directory}/run`] };
  for (const text of ['second', 'third']) {
    const [forkserver = 0] = forkserversOf(worker.pid);
    process.kill(forkserver, 'SIGKILL');
    await until('the forkserver is gone', () => !forkserversOf(worker.pid).includes(forkserver));
    await runWithFiles(text);
  }
  worker.kill('SIGTERM');
  expect(await worker.exited).toBe(0);
  const nothing: Inventory = { processes: [], cgroups: [], mounts: [], directories: [] };
  const after = ofInstances(takeInventory(place), [instance]);
  expect(compareInventories(nothing, { ...after, processes: [], mounts: [] })).toEqual([]);
  expect(after.processes.filter((line) => line.includes('bullpen'))).toEqual([]);
}, 90_000);

it('when the shim is killed too, the worker says so and ends with a code of its own', async () => {
  const worker = await pen.startWorker();
  await runWithFiles('once');
  const [shim = 0] = childrenOf(worker.pid);
  process.kill(shim, 'SIGKILL');
  expect(await worker.exited).toBe(7);
  expect(worker.log()).toContain('no job can be run any more. Remedy: start the worker again');
  await pen.startWorker();
  await runWithFiles('again');
}, 90_000);

it('the operator names whom the worker becomes', async () => {
  const worker = await pen.startWorker({ user: { uid: 54_321, gid: 54_322 } });
  await runWithFiles('named');
  const four = (id: number) => [Array(4).fill(id).join('\t')];
  expect([valuesOf(worker.pid, 'Uid'), valuesOf(worker.pid, 'Gid')]).toEqual([four(54_321), four(54_322)]);
}, 60_000);
