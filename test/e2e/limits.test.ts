import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newUid } from '../../protocol/index.ts';
import type { Result } from '../../schemas/types.ts';
import { until } from '../helpers/pen.ts';
import { processesWith } from '../helpers/processes.ts';
import { LimitsPen } from '../limits/engine.ts';
import { SIDES, type Side, TIMED } from '../limits/sides.ts';

const STALLED_ENGINE = fileURLToPath(new URL('../programs/stalled-engine.ts', import.meta.url));

describe('limits are kept on their documented side', () => {
  let pen: LimitsPen;
  beforeAll(async () => {
    pen = await LimitsPen.open();
  });
  afterAll(() => pen.close());

  /** Runs a side often, two at a time, and gives what was wrong. */
  async function problems(side: Side, runs: number): Promise<string[]> {
    const wrong: string[] = [];
    let left = runs;
    const lane = async () => {
      while (left-- > 0) {
        const problem = side.judge(await pen.run(side.job));
        if (problem !== null) wrong.push(problem);
      }
    };
    await Promise.all([lane(), lane()]);
    return wrong;
  }

  it.each(SIDES.map((side) => [side.name, side] as const))('%s, 100 times of 100', async (_name, side) => {
    expect(await problems(side, 100)).toEqual([]);
  });

  // How late it may be is for `npm run limits`: that depends on what else the machine does.
  it.each(TIMED.map((side) => [side.name, side] as const))('%s: always killed, never early', async (_name, side) => {
    expect(await problems(side, 10)).toEqual([]);
  });

  it('below them nothing is killed', async () => {
    const half = { command: ['/bin/sleep', '0.1'] as [string, ...string[]], limits: { wallTimeMs: 60_000 } };
    expect((await pen.run(half)).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    const busy = 'do { ($u, $s) = times } while $u + $s < 0.1';
    const work = { command: ['/usr/bin/perl', '-e', busy] as [string, ...string[]], limits: { cpuTimeMs: 200 } };
    const { outcome, usage } = await pen.run({ ...work, limits: { ...work.limits, wallTimeMs: 60_000 } });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(usage?.cpuTimeUs).toBeGreaterThan(90_000);
  });
});

/** A process whose engine runs one job at its wall time, one at its CPU time, and one that has time enough. */
class Stalled {
  readonly tokens = { wall: newUid(), cpu: newUid(), twin: newUid() };
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(how: 'block' | 'wait') {
    const job = (token: string, does: string, limits: object) => ({
      kind: 'job',
      version: 1,
      runtime: 'bash',
      command: ['/bin/bash', '-c', `${does}; : ${token}`],
      policy: { version: 1, limits: { cpuMillis: 500, ...limits } },
    });
    const jobs = [
      job(this.tokens.wall, 'while :; do sleep 100; done', { wallTimeMs: 1_000 }),
      job(this.tokens.cpu, 'while :; do :; done', { cpuTimeMs: 1_000, wallTimeMs: 60_000 }),
      job(this.tokens.twin, 'sleep 12; exit 5', { wallTimeMs: 60_000 }),
    ];
    const program = [STALLED_ENGINE, JSON.stringify(jobs), how];
    this.child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (this.child.stdout === null) throw new Error('no output');
    this.#reader = createInterface({ input: this.child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value ?? '';
  }

  alive(): string[] {
    // Its own command line names all of them.
    const others = (token: string) => processesWith(token).filter((pid) => pid !== this.child.pid);
    return Object.entries(this.tokens).flatMap(([name, token]) => (others(token).length > 0 ? [name] : []));
  }

  async running(): Promise<void> {
    await until('all three run', () => this.alive().length === 3);
  }
}

describe('limits in time are kept without the worker', () => {
  it.each([
    ['while its event loop stands still', 'block'],
    ['while it is stopped', 'wait'],
  ] as const)('%s', { timeout: 90_000 }, async (_when, how) => {
    const stalled = new Stalled(how);
    expect(await stalled.line()).toBe('begun');
    await stalled.running();
    const began = performance.now();
    if (how === 'wait') stalled.child.kill('SIGSTOP');
    await until('what has a limit of a second is dead, what has none lives', () => stalled.alive().join() === 'twin');
    // The event loop stands still for 10 s, and a stopped process for as long as we like: nobody else can have done it.
    expect(performance.now() - began).toBeLessThan(9_000);
    if (how === 'wait') {
      await sleep(5_000);
      expect(stalled.alive()).toEqual(['twin']);
      stalled.child.kill('SIGCONT');
    }
    const results = JSON.parse(await stalled.line()) as Result[];
    expect(results.map(({ outcome }) => outcome.kind)).toEqual(['wall-time-exceeded', 'cpu-time-exceeded', 'exited']);
    const [wall, cpu] = results.map(({ usage }) => usage);
    expect(wall?.wallTimeUs).toBeGreaterThanOrEqual(1_000_000);
    expect(wall?.wallTimeUs).toBeLessThan(2_000_000);
    expect(cpu?.cpuTimeUs).toBeGreaterThanOrEqual(1_000_000);
    expect(cpu?.cpuTimeUs).toBeLessThan(1_500_000);
    if (stalled.child.exitCode === null) await once(stalled.child, 'exit');
  });
});
