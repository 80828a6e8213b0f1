import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../schemas/types.ts';
import { bare, bareC, caseOf, HostilePen, type Limits, MIB } from './harness.ts';

/** Groups G and H: the output channel, and using things up. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('exhaust.py', name, given, more);
const run = (
  name: string,
  limits: Limits = {},
  more: { given?: object; policy?: Record<string, unknown> } = {},
): Promise<Result> => pen.run(caseOf('exhaust.py', name, { limits, ...more }));
const all = (answers: object, value: unknown) => Object.fromEntries(Object.keys(answers).map((key) => [key, value]));
const seconds = (count: number) => count * 1_000_000;

/** Bytes of the host that the kernel itself has taken and can't give back. */
function unreclaimable(): number {
  const [, kilobytes = '0'] = /^SUnreclaim:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** The most that `unreclaimable` grew while something ran. */
async function growth(during: () => Promise<unknown>): Promise<number> {
  const before = unreclaimable();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, unreclaimable());
  }, 20);
  await during().finally(() => clearInterval(watch));
  return most - before;
}

describe('G: terminal and output', () => {
  it('G01 nothing is typed for anyone', async () => {
    const outside = await bare('nobody', 'exhaust.py', 'g01', { terminal: true });
    // Where typing for others is off for everybody, the kernel says EIO: the terminal was reached.
    expect(['ok', 'EIO']).toContain(outside['0']);
    const answers = await probe('g01');
    expect(answers).toEqual(all(answers, 'ENOTTY'));
  });

  it('G02 there is no terminal to take', async () => {
    expect(await probe('g02')).toEqual({ tty: 'ENOENT', ctty: 'ENOTTY', tcsetpgrp: 'ENOTTY', console: 'ENOENT' });
  });

  it('G03 output is kept byte by byte', async () => {
    const odd = Buffer.from('\x1b]0;x\x07\x1b]52;c;eA==\x07\u202e\u200b\x1bP\x9c\x00', 'latin1');
    const source = `import sys, base64\nsys.stdout.buffer.write(base64.b64decode("${odd.toString('base64')}"))`;
    const { stdout } = await pen.run({ source });
    expect(stdout?.base64 ?? Buffer.from(stdout?.text ?? '').toString('base64')).toBe(odd.toString('base64'));
  });

  it('G04 nothing that is printed is believed', async () => {
    const lies = [
      '{"kind":"result","version":1,"outcome":{"kind":"exited","exitCode":0}}',
      '{"Exited":{"status":{"Code":0},"at":0,"wait":0}}',
      'timelimit exceeded',
      '<<RESULT>>',
      'Segmentation fault',
      'Killed',
    ];
    const source = `import sys\nfor line in ${JSON.stringify(lies)}: print(line); print(line, file=sys.stderr)\nsys.exit(7)`;
    const { outcome, attribution } = await pen.run({ source });
    expect([outcome, attribution]).toEqual([{ kind: 'exited', exitCode: 7, phase: 'run' }, 'guest']);
  });

  it('G06 floods are cut, on either stream, with or without lines', async () => {
    const flood = (to: string) => `import os\nwhile True:\n  for fd in ${to}: os.write(fd, b"x" * 65536)`;
    for (const to of ['[1]', '[2]', '[1, 2]']) {
      const killed = await pen.run({ source: flood(to) });
      expect(killed.outcome.kind).toBe('output-exceeded');
      expect(killed.stdout?.bytes).toBeLessThanOrEqual(MIB);
      const policy = { limits: { wallTimeMs: 700, outputOverflow: 'truncate' } };
      const cut = await pen.run({ source: flood(to), ...policy });
      expect([cut.outcome.kind, cut.limitsHit]).toEqual(['wall-time-exceeded', ['wallTimeMs', 'outputBytes']]);
      const stream = to === '[2]' ? cut.stderr : cut.stdout;
      expect([stream?.bytes, stream?.truncated]).toEqual([MIB, true]);
      expect(stream?.totalBytes).toBeGreaterThan(MIB);
    }
    expect(process.memoryUsage().rss).toBeLessThan(700 * MIB);
  });

  it('G06 one line without an end takes no memory of ours, and little of our time', async () => {
    const [before, cpu] = [process.memoryUsage().rss, process.cpuUsage()];
    const source = 'import os\nfor _ in range(2048): os.write(1, b"x" * 65536)';
    const limits = { outputOverflow: 'truncate', wallTimeMs: 30_000, cpuTimeMs: 30_000 };
    const { outcome, stdout, usage } = await pen.run({ source, limits });
    expect([outcome.kind, stdout?.totalBytes]).toEqual(['exited', 128 * MIB]);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
    // What isn't kept is drained at 64 MiB a second at most.
    expect(usage?.wallTimeUs).toBeGreaterThan(seconds(1.9));
    expect(process.cpuUsage(cpu).user + process.cpuUsage(cpu).system).toBeLessThan(seconds(1));
  });

  it('G07 a byte now and then does not buy time', async () => {
    const source = 'import time\nwhile True:\n  print("x", end="", flush=True); time.sleep(0.1)';
    const { outcome, usage } = await pen.run({ source, limits: { wallTimeMs: 600 } });
    expect(outcome.kind).toBe('wall-time-exceeded');
    expect(usage?.wallTimeUs).toBeLessThan(seconds(0.9));
  });

  it('G08 input that nobody reads holds nothing up', async () => {
    const stdin = { text: 'y'.repeat(15 * MIB) };
    const { outcome } = await pen.run({
      source: 'import os\nif os.fork() == 0:\n  import time; time.sleep(60)',
      stdin,
    });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  });

  it('G09 output whose text form is six times its size does not overwhelm', async () => {
    const limits = { outputBytes: 4 * MIB };
    const { stdout } = await pen.run({ source: 'import os\nos.write(1, b"\\x01" * (3 << 20))', limits });
    expect(stdout?.totalBytes).toBeLessThanOrEqual(3 * MIB);
    expect(JSON.stringify(stdout).length).toBeLessThan(2 * 3 * MIB);
  });
});

describe('H: exhaustion', () => {
  it('H01 a fork bomb stays within its processes', async () => {
    const { outcome, usage, limitsHit } = await run('h01', { wallTimeMs: 1_500 });
    expect(outcome.kind).toBe('wall-time-exceeded');
    expect(limitsHit).toContain('processes');
    expect(usage?.processesPeak).toBe(64);
  });

  it('H02 threads count as processes', async () => {
    const { outcome, stdout, limitsHit } = await run('h02');
    expect([outcome.kind, stdout?.text, limitsHit]).toEqual(['exited', '63', ['processes']]);
  });

  it('H03 more memory than allowed ends the whole job, whoever took it', async () => {
    const { outcome, limitsHit, usage } = await run('h03', { memoryBytes: 64 * MIB }, { given: { megabytes: 256 } });
    expect([outcome.kind, limitsHit]).toEqual(['memory-exceeded', ['memoryBytes']]);
    expect(usage?.memoryPeakBytes).toBeLessThanOrEqual(64 * MIB);
  });

  for (const kind of ['memfd', 'shm', 'shared', 'pipes', 'unix', 'tables']) {
    it(`H05 memory in ${kind} is the job's`, async () => {
      const limits = { memoryBytes: 48 * MIB, diskBytes: 512 * MIB, wallTimeMs: 8_000 };
      const grown = await growth(async () => {
        const { outcome } = await run(`h05_${kind}`, limits);
        expect(outcome.kind).toBe('memory-exceeded');
      });
      expect(grown).toBeLessThan(96 * MIB);
    });
  }

  it("H05 datagrams in a job's own network are the job's", async () => {
    const limits = { memoryBytes: 48 * MIB, wallTimeMs: 8_000 };
    const policy = { network: { loopback: 'private' } };
    expect(await growth(() => run('h05_udp', limits, { policy }))).toBeLessThan(128 * MIB);
  });

  it('H06 what the kernel keeps for a job is bounded', async () => {
    const { timers, made } = await probe('h06', {}, { limits: { inodes: 2_000 } });
    expect(timers).toBe('EAGAIN');
    expect(made).toBeLessThan(2_000);
  });

  it('H07 everything writable together is the disk', async () => {
    const before = statfsSync(tmpdir()).bavail;
    const answers = (await probe('h07', {}, { limits: { diskBytes: 2 * MIB } })) as Record<string, [number, number]>;
    const written = Object.values(answers).reduce((sum, [bytes]) => sum + bytes, 0);
    expect(written).toBeLessThan(2 * MIB);
    expect(Object.values(answers).map(([, errno]) => errno)).toEqual([28, 28, 28]);
    expect(Math.abs(statfsSync(tmpdir()).bavail - before) * 4096).toBeLessThan(512 * MIB);
  });

  it('H10 no file is larger than the disk', async () => {
    const limits = { diskBytes: 2 * MIB };
    expect(await probe('h10', { bytes: 2 * MIB + 4096 }, { limits })).toEqual({
      seek: 'ok',
      write: 'EFBIG',
      truncate: 'EFBIG',
    });
    expect(await probe('h10', { bytes: MIB }, { limits })).toEqual({ seek: 'ok', write: 'ok', truncate: 'ok' });
    // The signal of that limit is no evidence: whoever sends it to itself was signalled, whoever filled the disk filled it.
    const filled = await pen.run({ runtime: 'bash', source: 'cat /dev/zero > x', limits });
    expect([filled.outcome.kind, filled.limitsHit]).toEqual(['disk-exceeded', ['diskBytes']]);
  });

  it('H11 CPU time is the sum of all', async () => {
    const limits = { cpuTimeMs: 500, wallTimeMs: 9_000, cpuMillis: 2_000 };
    for (const [name, threads] of [
      ['h11', 1],
      ['h11', 8],
      ['h11_short', 1],
    ] as const) {
      const { outcome, usage } = await run(name, limits, { given: { threads } });
      expect(outcome.kind).toBe('cpu-time-exceeded');
      expect(usage?.cpuTimeUs).toBeGreaterThanOrEqual(500_000);
      expect(usage?.cpuTimeUs).toBeLessThan(620_000);
    }
  });

  it('H11 the share of CPUs is kept', async () => {
    const { outcome, usage } = await run('h11', { wallTimeMs: 1_500, cpuMillis: 200 }, { given: { threads: 4 } });
    expect(outcome.kind).toBe('wall-time-exceeded');
    expect(usage?.cpuTimeUs).toBeLessThan(450_000);
  });

  it('H12 waiting is over at the wall time, whatever for', async () => {
    for (const name of ['h12_fifo', 'h12_select', 'h13']) {
      const { outcome, usage } = await run(name, { wallTimeMs: 300 });
      expect(outcome.kind, name).toBe('wall-time-exceeded');
      expect(usage?.wallTimeUs).toBeLessThan(seconds(0.5));
    }
  });

  it('H14 a crash leaves no core, and wakes no handler', async () => {
    const before = readdirSync('/');
    expect(bareC('#include <stdlib.h>\nint main(void) { abort(); }').signal).toBe('SIGABRT');
    const result = await pen.run(
      caseOf('exhaust.py', 'h14', { given: { megabytes: 32 }, artifacts: ['core*', '**/core*'] }),
    );
    expect([result.outcome, result.artifacts]).toEqual([{ kind: 'signaled', signal: 'SIGABRT', phase: 'run' }, []]);
    expect(readdirSync('/')).toEqual(before);
    // A handler behind a pipe is started whatever the limit is, but not when it is one byte.
    const limits = await pen.run({
      source: 'print(*[l.split()[4:6] for l in open("/proc/self/limits") if "core" in l])',
    });
    expect(limits.stdout?.text).toBe("['1', '1']\n");
  });

  it('H15 too many words are refused, or the program is told', async () => {
    const bash = { runtime: 'bash' as const, source: 'true' };
    for (const words of [
      ['x'.repeat(262_144)],
      Array.from({ length: 20 }, () => 'x'.repeat(100_000)),
      Array(100_000).fill('x'),
    ]) {
      expect((await pen.run({ ...bash, args: words as string[] })).outcome).toMatchObject({ kind: 'rejected' });
    }
    const most = await pen.run({ ...bash, args: Array.from({ length: 10 }, () => '\u0001'.repeat(100_000)) });
    expect(most.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  });

  it('H17 no locked and no huge pages', async () => {
    expect(await bare('root', 'exhaust.py', 'h17')).toMatchObject({ mlock: 'ok', locked: 'ok' });
    for (const syscalls of ['strict', 'compatible']) {
      const { mlockall, mlock, locked, ...huge } = await probe('h17', {}, { policy: { syscalls } });
      for (const answer of [mlockall, mlock, locked]) expect(['EPERM', 'ENOMEM', 'EAGAIN']).toContain(answer);
      expect(huge).toEqual({ huge: 'ENOMEM', 'huge memfd': 'EINVAL' });
    }
  });

  it('H19 a compiler that does not end is ended', async () => {
    for (const source of [
      '#include "/dev/zero"\n',
      '#include "/dev/random"\n',
      '#include "main.c"\n#include "main.c"\n',
    ]) {
      const { outcome, attribution } = await pen.run({ runtime: 'c', source, limits: { memoryBytes: 96 * MIB } });
      expect(['exited', 'memory-exceeded', 'output-exceeded', 'cpu-time-exceeded', 'wall-time-exceeded']).toContain(
        outcome.kind,
      );
      expect([attribution, 'phase' in outcome && outcome.phase]).toEqual(['guest', 'build']);
    }
  });

  it('H20 nothing of the host is used up', async () => {
    expect(await bare('root', 'exhaust.py', 'h20')).toEqual({ inotify: 'ok', ptmx: 'ok', random: 'ok' });
    expect(await probe('h20')).toEqual({ inotify: 'ENOSYS', ptmx: 'ENOENT', random: 'ok' });
  });

  it('H23 one job at its limit does not keep another from forking', async () => {
    const bomb = pen.start(caseOf('exhaust.py', 'h01', { limits: { wallTimeMs: 3_000 } }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { outcome } = await pen.run({ runtime: 'bash', source: 'for i in 1 2 3 4 5; do /bin/true || exit 9; done' });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    bomb.kill('cancelled');
    expect((await bomb.wait()).outcome.kind).toBe('cancelled');
  });

  it('H24 a large workspace that is thrown away does not hold up the limits of others', async () => {
    const source =
      'import os\nfor d in range(300):\n  os.mkdir("d%d" % d)\n  for i in range(1000): os.mknod("d%d/%d" % (d, i))';
    const limits = {
      inodes: 400_000,
      memoryBytes: 2_048 * MIB,
      cpuMillis: 4_000,
      wallTimeMs: 30_000,
      cpuTimeMs: 30_000,
    };
    const big = pen.run({ source, limits });
    let over = false;
    const ended = big.then(() => (over = true));
    const late: number[] = [];
    for (let after = 0; after < 8; after += over ? 1 : 0) {
      const { usage } = await pen.run({ runtime: 'bash', command: ['/bin/sleep', '9'], limits: { wallTimeMs: 150 } });
      if (over) late.push((usage?.wallTimeUs ?? 0) - 150_000);
    }
    await ended;
    expect(Math.max(...late)).toBeLessThan(250_000);
  });

  it('H25 no program of the job runs in its build', async () => {
    const tool = { path: 'tool/cc1', text: '#!/bin/sh\ntouch /work/ran; sleep 3; exit 1\n', executable: true };
    const files = ['cc1', 'as', 'collect2', 'ld'].map((name) => ({ ...tool, path: `tool/${name}` }));
    const directory = '/work/tool';
    const env = { GCC_EXEC_PREFIX: `${directory}/`, COMPILER_PATH: directory, PATH: `${directory}:/usr/bin`, K: 'v' };
    const source = '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts(getenv("K")); return 0; }';
    const { outcome, stdout, artifacts } = await pen.run({ runtime: 'c', source, env, files, artifacts: ['ran'] });
    expect([outcome, stdout?.text, artifacts]).toEqual([{ kind: 'exited', exitCode: 0, phase: 'run' }, 'v\n', []]);
    // The control: by hand, after the build, the same compiler takes these programs.
    const command = ['/bin/sh', '-c', 'GCC_EXEC_PREFIX=/work/tool/ gcc -x c -c /dev/null -o x'];
    const byHand = await pen.run({ runtime: 'c', command, files, artifacts: ['ran'] });
    expect(byHand.artifacts).toMatchObject([{ path: 'ran' }]);
  });

  it('H26 control groups of jobs that are over do not pile up', async () => {
    // A fact of every kernel with control groups, the sandbox's too: without it there would be nothing to count.
    const groups = () => Number(/^memory\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/cgroups', 'utf8'))?.[1]);
    expect(groups()).toBeGreaterThan(1);
    const source =
      'import os, random\nfor _ in range(2000):\n  try: os.stat("/usr/share/%x" % random.getrandbits(64))\n  except OSError: pass';
    await pen.run({ source });
    const before = groups();
    for (let count = 0; count < 20; count += 1) await pen.run({ source });
    expect(groups() - before).toBeLessThan(10);
  });
});
