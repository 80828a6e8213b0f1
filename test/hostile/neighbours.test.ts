import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bare, caseOf, HostilePen } from './harness.ts';

/** Groups J and K: other jobs and tenants, and documents that ask for too much. */
let pen: HostilePen;
const whole = sharedFiles();
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const token = () => `t${randomBytes(8).toString('hex')}`;
const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('neighbours.py', name, given, more);
const nap = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Interpreters and libraries that all jobs share: as the page cache has them, and as the disk has. */
function sharedFiles(): Record<string, string[]> {
  const paths = ['/usr/bin/python3', '/usr/bin/bash', '/usr/bin/env', '/usr/lib/x86_64-linux-gnu/libc.so.6'];
  return Object.fromEntries(paths.map((path) => [path, [cached(path), direct(path)]]));
}

function cached(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function direct(path: string): string {
  const bytes = execFileSync('/bin/dd', [`if=${path}`, 'iflag=direct', 'bs=1M', 'status=none'], { maxBuffer: 1 << 28 });
  return createHash('sha256').update(bytes).digest('hex');
}

describe('J: neighbours', () => {
  it('J01 J13 what one job leaves the next does not find, not with the same uid either', async () => {
    const mine = token();
    expect((await probe('j01_both', { token: mine }))['found']).toContain(`/work/${mine}`);
    const left = await probe('j01_leave', { token: mine });
    expect(left).toMatchObject({ '/work': 'ok', '/tmp': 'ok', '/dev/shm': 'ok' });
    // More jobs than uids: some has the uid that the first had.
    for (let round = 0; round < 36; round += 1) {
      if (round % 12 === 0) expect(await probe('j01_look', { token: mine })).toEqual({ found: [] });
      else await pen.run({ runtime: 'bash', command: ['/bin/true'] });
    }
    const own = await pen.run({ source: 'import os\nopen("/tmp/x","w")\nprint(os.listdir("/tmp"))' });
    expect(own.stdout?.text).toBe("['x']\n");
  });

  it('J02 nothing that one job plants is loaded by another', async () => {
    await probe('j02');
    for (const job of [
      { source: 'print(1)' },
      { runtime: 'bash' as const, source: 'true' },
      { runtime: 'node' as const, source: '1' },
    ]) {
      expect((await pen.run(job)).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    }
  });

  it('J03 J05 two jobs at once do not meet', async () => {
    const [one, two] = [token(), token()];
    const answers = await Promise.all([
      probe('j05', { token: one, peer: two, seconds: 0.8 }),
      nap(300).then(() => probe('j05', { token: two, peer: one, seconds: 0.1 })),
    ]);
    // The control: two processes of the host meet at both places.
    const outside = await Promise.all([
      bare('nobody', 'neighbours.py', 'j05', { token: one, peer: two, seconds: 0.8 }),
      nap(300).then(() => bare('nobody', 'neighbours.py', 'j05', { token: two, peer: one, seconds: 0.1 })),
    ]);
    for (const name of [one, two]) rmSync(`/tmp/${name}`);
    expect(outside[1]).toEqual({ bind: 'ok', connect: 'ok', file: 'ok' });
    for (const { bind, connect, file } of answers) {
      expect(bind).toBe('ok');
      expect(['ECONNREFUSED', 'EPERM']).toContain(connect);
      expect(file).toBe('ENOENT');
    }
  });

  it('J06 two jobs at once do not see each other', async () => {
    const sleeper = pen.start({ runtime: 'bash', command: ['/bin/sleep', '20'] });
    await nap(200);
    const source =
      'import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nprint([p for p in os.listdir("/proc") if p.isdigit()])';
    expect((await pen.run({ source })).stdout?.text).toMatch(/^\['\d+'\]\n$/);
    sleeper.kill('cancelled');
    expect((await sleeper.wait()).outcome.kind).toBe('cancelled');
  });

  it('J07 no path leads to another job', async () => {
    const paths = [
      '../',
      '/work/../..',
      pen.runDir,
      '/run/bullpen',
      `/sys/fs/cgroup/pids/bullpen/${pen.lease.instance}`,
    ];
    const answers = await probe('j07', { paths });
    expect(answers).toMatchObject({ [pen.runDir]: 'ENOENT', '/run/bullpen': 'ENOENT' });
    expect(answers[paths[4] ?? '']).toBe('ENOENT');
  });

  it('J15 J16 two jobs have nothing random in common', async () => {
    const [one, two] = await Promise.all([probe('j15'), probe('j15')]);
    for (const name of ['random', 'layout', 'hash']) expect(one?.[name]).not.toEqual(two?.[name]);
  });

  it('J17 what 32 jobs at once say is not mixed up', async () => {
    const jobs = Array.from({ length: 32 }, (_, index) => ({ token: token(), code: index + 1 }));
    const limits = { wallTimeMs: 30_000 };
    const results = await Promise.all(
      jobs.map((given) => pen.run(caseOf('neighbours.py', 'j17', { given, artifacts: ['out'], limits }))),
    );
    const said = results.map(({ outcome, stdout, stderr, artifacts }) => [
      outcome.kind === 'exited' && outcome.exitCode,
      stdout?.text,
      stderr?.text,
      ...artifacts.map((one) => 'text' in one && one.text),
    ]);
    expect(said).toEqual(jobs.map(({ token: mine, code }) => [code, mine, mine, mine]));
  });

  it('J18 J19 secrets, caches and host paths are no fields of a job', async () => {
    for (const field of ['secrets', 'cache', 'mounts', 'volumes', 'devices', 'privileged', 'user']) {
      const { outcome } = await pen.run({ source: '', [field]: [] });
      expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
    }
  });

  it('J21 locks reach from job to job by files of the shared root only: the residual that DESIGN.md names', async () => {
    const paths = ['/usr/bin/env', '/work/probe.py', '/tmp', '/dev/shm'];
    const holding = pen.start(caseOf('neighbours.py', 'j21_hold', { given: { paths, seconds: 2 } }));
    await nap(700);
    const answers = await probe('j21_look', { paths });
    holding.kill('cancelled');
    await holding.wait();
    expect(answers).toEqual({
      'flock /usr/bin/env': 'EAGAIN',
      'flock /work/probe.py': 'ok',
      'flock /tmp': 'ok',
      'flock /dev/shm': 'ok',
    });
    expect(readFileSync(new URL('../../DESIGN.md', import.meta.url), 'utf8')).toMatch(/Known residuals:.*`flock`/);
    expect(await bare('nobody', 'neighbours.py', 'j21_look', { paths: ['/usr/bin/env'] })).toEqual({
      'flock /usr/bin/env': 'ok',
    });
  });

  it('J11 files that all jobs share are whole, in memory and on disk', () => {
    expect(sharedFiles()).toEqual(whole);
    for (const [inMemory, onDisk] of Object.values(whole)) expect(inMemory).toBe(onDisk);
  });
});

describe('K: documents', () => {
  const refused = async (bytes: string, rule?: string) => {
    const { outcome, sandbox } = await pen.run(bytes);
    expect(outcome, bytes.slice(0, 80)).toMatchObject({ kind: 'rejected', ...(rule ? { rule } : {}) });
    expect(sandbox).toBeUndefined();
  };
  const job = (more: string) => `{"kind":"job","version":1,"runtime":"bash","source":"true"${more}}`;

  it('K02 size, depth, number', async () => {
    await refused(job(`,"args":${'['.repeat(100_000)}${']'.repeat(100_000)}`), 'depth');
    await refused(job(`,"env":{${Array.from({ length: 100_000 }, (_, i) => `"K${i}":""`).join()}}`));
    await refused(job(`,"args":[${Array(1_000_000).fill('""').join()}]`));
    await refused(job(`,"source2":"${'x'.repeat(25 * 1024 * 1024)}"`), 'size');
    await refused(job(`,"priority":${'9'.repeat(10_000)}`));
  });

  it('K03 names of prototypes', async () => {
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      await refused(job(`,"env":{"${name}":"x"}`), 'forbidden-key');
      await refused(job(`,"${name}":{"polluted":true}`), 'forbidden-key');
    }
    await refused(job(',"toString":1'), 'additionalProperties');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('K04 JSON that means two things', async () => {
    await refused(job(',"source":"false"'), 'duplicate-key');
    await refused(`\ufeff${job('')}`, 'encoding');
    await refused(`${job('')}x`, 'json');
    await refused(`${job('')}${job('')}`, 'json');
    await refused(job(',"args":["\\ud800"]'), 'encoding');
    for (const number of ['1e309', '1.0', '-0', '1e2', '9007199254740993', 'NaN', 'Infinity', '0x10', '01']) {
      await refused(job(`,"priority":${number}`));
    }
  });

  it('K05 limits that are none', async () => {
    for (const value of ['0', '-1', '"10"', 'null', '9007199254740993', '0.5', '[]', '{}', 'true', '86400001']) {
      await refused(job(`,"policy":{"version":1,"limits":{"wallTimeMs":${value}}}`));
    }
  });

  it('K07 K08 unknown words and versions', async () => {
    await refused(job(',"policy":{"version":1,"netwrok":{}}'), 'additionalProperties');
    for (const version of ['0', '2', '"1"', 'null']) {
      await refused(`{"kind":"job","version":${version},"runtime":"bash","source":"true"}`);
      await refused(job(`,"policy":{"version":${version}}`));
    }
  });

  it('K10 K11 more than is allowed, weaker than is promised', async () => {
    for (const containment of ['"none"', '"host"', '""', '[]', '["none","process"]', 'null', '["process","process"]']) {
      await refused(job(`,"policy":{"version":1,"containment":${containment}}`));
    }
    for (const limit of [
      '"memoryBytes":1099511627776',
      '"wallTimeMs":86400000',
      '"processes":65536',
      '"diskBytes":1099511627776',
    ]) {
      await refused(job(`,"policy":{"version":1,"limits":{${limit}}}`), 'ceiling');
    }
    await refused(job(',"attempts":10'), 'ceiling');
    await refused(job(',"policy":{"name":"nobody-made-it"}'), 'unknown-policy');
    await refused(job(',"policy":{"name":"strict","version":1}'));
    for (const require of ['vm', 'gvisor']) {
      const { outcome } = await pen.run({ runtime: 'bash', source: 'true', policy: { require: [require] } });
      expect(outcome).toMatchObject({ kind: 'unavailable', layer: require });
    }
    for (const containment of ['microvm', 'oci', 'lxc', 'bubblewrap']) {
      const { outcome } = await pen.run({ runtime: 'bash', source: 'true', policy: { containment } });
      expect(outcome).toMatchObject({ kind: 'unavailable', layer: containment });
    }
    const { outcome, sandbox } = await pen.run({
      runtime: 'bash',
      source: 'true',
      policy: { containment: ['microvm', 'process'] },
    });
    expect([outcome.kind, sandbox?.backend]).toEqual(['exited', 'process']);
  });

  it('K12 the environment is for the program alone', async () => {
    const env = {
      LD_PRELOAD: '/work/x.so',
      LD_AUDIT: '/work/x.so',
      BASH_ENV: '/work/e',
      PYTHONSTARTUP: '/work/e',
      GCONV_PATH: '/work',
    };
    const files = [{ path: 'e', text: 'echo sourced' }];
    const { outcome, stdout } = await pen.run({ runtime: 'bash', source: 'true', env, files });
    expect([outcome.kind, stdout?.text]).toEqual(['exited', 'sourced\n']);
    for (const key of ['A=B', 'A\\u0000', 'A\\n', '', '1A', 'A B']) await refused(job(`,"env":{"${key}":"x"}`));
    await refused(job(',"env":{"A":"x\\u0000y"}'), 'nul');
  });

  it('K26 messages name nothing of the host', async () => {
    const hostly = new RegExp(
      [pen.runDir, pen.lease.instance, 'bullpen-forkserver', '/sys/fs', 'at .*:\\d+:\\d+', 'redis:'].join('|'),
    );
    for (const more of [
      ',"policy":{"name":"x"}',
      ',"cwd":"/proc/1"',
      ',"files":[{"path":"../x","text":""}]',
      ',"artifacts":["["]',
    ]) {
      const { outcome } = await pen.run(job(more));
      expect(JSON.stringify(outcome)).not.toMatch(hostly);
    }
  });
});
