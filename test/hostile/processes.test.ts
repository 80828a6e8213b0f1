import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../schemas/types.ts';
import { stateOf } from './canaries.ts';
import { type Bare, bare, caseOf, HostilePen, type Limits, MIB, readProgram } from './harness.ts';

/** Group E: processes and signals. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('processes.py', name, given, more);
const control = (as: Bare, name: string, given: object = {}) => bare(as, 'processes.py', name, given);
const run = (name: string, limits: Limits = {}, given: object = {}): Promise<Result> =>
  pen.run(caseOf('processes.py', name, { given, limits }));
const all = (answers: object, value: unknown) => Object.fromEntries(Object.keys(answers).map((key) => [key, value]));

/** Processes of this pen's uids, whatever they are: the ready ones' first processes only, once jobs are over. */
function guests(): string[] {
  const { firstUid, uidCount } = pen.lease;
  const lines = execFileSync('/bin/ps', ['-eo', 'uid=,comm='], { encoding: 'utf8' }).trim().split('\n');
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const ours = rows.filter(([uid]) => Number(uid) >= firstUid && Number(uid) < firstUid + uidCount);
  return ours.map(([, command = '']) => command).filter((command) => !command.startsWith('memfd:bullpen'));
}

async function untilNoGuests(withinMs: number): Promise<void> {
  for (const began = Date.now(); Date.now() - began < withinMs; ) {
    if (guests().length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(guests()).toEqual([]);
}

describe('E: processes', () => {
  it('E01 nobody else can be seen or signalled', async () => {
    expect((await control('nobody', 'e01', pen.canaries.targets))['victim']).toBe('ok');
    expect(await probe('e01', pen.canaries.targets)).toEqual({ seen: [-1], victim: 'ESRCH' });
    const { outcome } = await pen.run({ runtime: 'bash', source: 'kill -9 -1; exit 5' });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 5 });
    expect(await pen.canaries.touched()).toEqual([]);
  });

  it("E02 the sandbox's first process can be neither signalled nor slowed", async () => {
    const answers = await probe('e02');
    expect(answers).toEqual(all(answers, 'EPERM'));
    const stopped = await pen.run({
      source: 'import os,time\ntry: os.kill(1, 19)\nexcept OSError: pass\ntime.sleep(60)',
      limits: { wallTimeMs: 300 },
    });
    expect(stopped.outcome.kind).toBe('wall-time-exceeded');
  });

  it('E03 other processes, its own too, can not be looked into', async () => {
    expect(await control('root', 'e03')).toMatchObject({
      readv: 'ok',
      kcmp: 'ok',
      seize: 'ok',
      traceme: 'ok',
      mem: 'ok',
    });
    const { mem, ...calls } = await probe('e03');
    expect(calls).toEqual(all(calls, 'EPERM'));
    expect(['EROFS', 'EACCES']).toContain(mem);
  });

  it('E04 no better place in the queue for a CPU or a disk', async () => {
    expect(await control('root', 'e04')).toEqual({ nice: 'ok', fifo: 'ok', deadline: 'ok', ioprio: 'ok' });
    const answers = await probe('e04');
    for (const answer of Object.values(answers)) expect(['EPERM', 'EACCES']).toContain(answer);
  });

  it('E05 a daemon is dead with its job', async () => {
    const outside = (await control('nobody', 'e05'))['daemon'] as number;
    process.kill(outside, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stateOf(outside)).toBe('S');
    process.kill(outside, 'SIGKILL');
    expect(await probe('e05')).toEqual({ daemon: expect.any(Number) });
    await untilNoGuests(1_000);
  });

  it('E06 the outcome is that of the main program; children are counted, and dead', async () => {
    const result = await run('e06', { wallTimeMs: 8_000, cpuMillis: 2_000 }, { children: 50 });
    expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 3 });
    expect(result.usage?.processesPeak).toBe(51);
    await untilNoGuests(1_000);
  });

  it('E08 siblings and reapers confuse nobody', async () => {
    expect(await probe('e08')).toEqual({ subreaper: 'ok', waited: 'ECHILD' });
  });

  it('E10 a job that stops itself is over at its wall time', async () => {
    const { outcome, usage } = await run('e10', { wallTimeMs: 500 });
    expect(outcome.kind).toBe('wall-time-exceeded');
    expect(usage?.wallTimeUs).toBeLessThan(900_000);
    await untilNoGuests(1_000);
  });

  it('E11 a deaf job is over at its wall time', async () => {
    const { outcome, usage } = await run('e11', { wallTimeMs: 500 });
    expect(outcome.kind).toBe('wall-time-exceeded');
    expect(usage?.wallTimeUs).toBeGreaterThanOrEqual(500_000);
    expect(usage?.wallTimeUs).toBeLessThan(700_000);
  });

  it('E12 zombies count as processes', async () => {
    const result = await run('e12');
    expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(JSON.parse(result.stdout?.text ?? '')).toEqual({ made: 63 });
    expect(result.limitsHit).toEqual(['processes']);
    await untilNoGuests(1_000);
  });

  it('E13 a name is only a name', async () => {
    expect(await probe('e13')).toEqual({ name: 'ok', pdeathsig: 'ok' });
  });

  it('E16 nobody listens on any descriptor', async () => {
    expect(await probe('e16', { hold: 1 })).toMatchObject({ 3: 'ok', 4: 'EBADF' });
    const answers = await probe('e16');
    expect(answers).toEqual(all(answers, 'EBADF'));
  });

  it('E17 a program that is not dumpable ends like any other', async () => {
    const { outcome } = await run('e17');
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    const source = 'cp /usr/bin/true t; chmod 111 t; exec ./t';
    expect((await pen.run({ runtime: 'bash', source })).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  });

  it('E18 waiting for oneself is not waiting for us', async () => {
    const { outcome, rewardSafe, usage } = await run('e18', { wallTimeMs: 1_000 });
    const { wallTimeUs = 0, cpuTimeUs = 0, cpuWaitUs = 0 } = usage ?? {};
    expect(outcome.kind).toBe('wall-time-exceeded');
    // All of it is on one CPU: while one half runs the other waits, and that is none of the time that others took.
    expect(Number(cpuWaitUs) + Number(cpuTimeUs), JSON.stringify(usage)).toBeLessThan(wallTimeUs * 1.05);
    expect(rewardSafe).toBe(Number(cpuWaitUs) * 10 < wallTimeUs);
  });

  it('E19 an end that takes the kernel long is still the end it was', async () => {
    const limits = { memoryBytes: 2_048 * MIB, cpuMillis: 8_000, cpuTimeMs: 60_000, wallTimeMs: 4_000 };
    const slow = pen.run({ runtime: 'c', source: readProgram('zap.c'), args: ['1000000'], limits });
    await new Promise((resolve) => setTimeout(resolve, 3_200));
    // Neighbours take their share of the CPUs from the kernel's own work for a dying process, too.
    const spin = { runtime: 'bash', source: 'while :; do :; done', limits: { wallTimeMs: 30_000, cpuTimeMs: 30_000 } };
    const neighbours = Array.from({ length: 7 }, () => pen.start(spin));
    const { outcome } = await slow;
    for (const one of neighbours) one.kill('cancelled');
    await Promise.all(neighbours.map((one) => one.wait()));
    expect(outcome).toEqual({ kind: 'wall-time-exceeded', phase: 'run' });
    await untilNoGuests(5_000);
  }, 60_000);

  it('E20 a signal that a program sends itself is a signal', async () => {
    for (const signal of ['XFSZ', 'XCPU', 'SYS', 'KILL', 'ABRT']) {
      const { outcome } = await pen.run({ runtime: 'bash', source: `kill -${signal} $$` });
      expect(outcome, signal).toMatchObject({ kind: 'signaled', signal: `SIG${signal}` });
    }
  });

  it('E21 each task of a sandbox is confined, its first process too', async () => {
    const source =
      'import threading,time\nfor _ in range(5): threading.Thread(target=time.sleep, args=(20,)).start()\nprint("up", flush=True)\ntime.sleep(20)';
    const execution = pen.start({ source });
    const pids = await tasksOf('python3');
    expect(pids.length).toBeGreaterThanOrEqual(6);
    for (const status of pids) {
      expect(status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2', Seccomp_filters: '1', Groups: '' });
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(status[set]).toBe('0000000000000000');
      expect(Number(status['Uid']?.split('\t')[0])).toBeGreaterThanOrEqual(pen.lease.firstUid);
    }
    execution.kill('cancelled');
    expect((await execution.wait()).outcome).toEqual({ kind: 'cancelled', by: 'caller' });
    await untilNoGuests(1_000);
  });
});

/** `/proc/PID/task/*​/status` of this pen's programs of that name, once they are up. */
async function tasksOf(name: string): Promise<Record<string, string>[]> {
  for (let left = 100; left > 0; left -= 1) {
    const { firstUid, uidCount } = pen.lease;
    const lines = execFileSync('/bin/ps', ['-eLo', 'pid=,lwp=,uid=,comm='], { encoding: 'utf8' }).trim().split('\n');
    const rows = lines.map((line) => line.trim().split(/\s+/));
    const ours = rows.filter(
      ([, , uid, comm]) => comm === name && Number(uid) >= firstUid && Number(uid) < firstUid + uidCount,
    );
    if (ours.length >= 6) return ours.map(([pid, task]) => statusOf(`/proc/${pid}/task/${task}/status`));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return [];
}

function statusOf(path: string): Record<string, string> {
  const lines = readFileSync(path, 'utf8').split('\n');
  return Object.fromEntries(lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()]));
}
