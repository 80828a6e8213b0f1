import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { newUid, Protocol } from '../../../protocol/index.ts';
import { type Answer, AnsweringWorker, EXITED, finish, sha256, stream } from './answering-worker.ts';

const BULLPEN = fileURLToPath(new URL('../../../producer/cli/main.ts', import.meta.url));
const JOB = { kind: 'job', version: 1, runtime: 'python', source: 'print(6*7)' };

let server: PrivateRedis;
let redis: Redis;
let protocol: Protocol;
let queue: string;
let dir: string;
let worker: AnsweringWorker | null;

beforeAll(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  queue = `q${newUid()}`;
  protocol = new Protocol(redis, queue);
  dir = await mkdtemp(join(tmpdir(), 'bullpen-cli-'));
  worker = null;
});
afterEach(async () => {
  await worker?.close();
  await rm(dir, { recursive: true });
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function bullpen(args: string[], o: { input?: string; env?: Record<string, string> } = {}): Promise<Ended> {
  const env = { ...process.env, BULLPEN_REDIS: server.url, BULLPEN_QUEUE: queue, ...o.env };
  const child = spawn(process.execPath, [BULLPEN, ...args], { env, cwd: dir });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.stderr += text;
  });
  child.stdin.end(o.input ?? '');
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...ended, code })));
}

async function file(name: string, content: unknown): Promise<string> {
  await writeFile(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}

async function answerWith(answer: (source: string) => Partial<Answer>): Promise<void> {
  worker = await AnsweringWorker.start(server.url, queue, async (job) => ({ ...EXITED, ...answer(job.source ?? '') }));
}

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function submitAndFinish(id: string, answer: Answer): Promise<void> {
  await bullpen(['submit', await file(`${id}.json`, { ...JOB, id })]);
  await finish(protocol, (await protocol.lookup('default', id)) ?? '', answer);
}

describe('usage', () => {
  test('help is given, with examples, for all and for each', async () => {
    const { code, stdout } = await bullpen(['--help']);
    expect(code).toBe(0);
    for (const verb of ['submit', 'result', 'artifacts', 'state', 'cancel', 'queue', 'dead', 'validate']) {
      expect(stdout).toContain(verb);
      const help = await bullpen([verb, '--help']);
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toMatch(/Examples:\n {2}\S/);
    }
  });

  test.each([
    [[], 'one of submit, result, artifacts, state, cancel, queue, dead, audit, validate, explain'],
    [['explain'], 'name exactly one FILE, or - for stdin'],
    [['exlpain'], 'unknown command exlpain; there are submit,'],
    [['submit'], 'at least one FILE'],
    [['submit', '--nonsense', 'f'], '--nonsense'],
    [['submit', 'missing.json'], 'cannot read missing.json: ENOENT'],
    [['submit', '-', 'x'], '- stands alone'],
    [['submit', '-', '--id', 'x'], '--id names one job'],
    [['submit', '-', '--timeout', '3s'], 'needs --wait'],
    [['submit', '-', '--wait', '--timeout', '3'], '--timeout takes a duration'],
    [['submit', '-', '--in-flight', '0'], '--in-flight takes a number'],
    [['submit', 'x', '--file', 'a.csv'], '--file takes DEST=SRC'],
    [['result'], 'exactly one job id'],
    [['state', 'a', 'b'], 'exactly one job id'],
    [['artifacts', 'a'], '-o DIR is missing'],
    [['validate'], 'at least one FILE'],
    [['queue', 'x'], 'takes no words'],
    [['dead'], 'one of list, show, retry, purge'],
    [['dead', 'list', 'x'], 'takes no words'],
    [['dead', 'list', '--reason', 'x'], '--reason takes one of worker-died,'],
    [['dead', 'show'], 'exactly one job id'],
    [['dead', 'retry'], 'give job ids, or --all'],
    [['dead', 'purge', 'a', '--all'], 'give job ids, or --all'],
    [['dead', 'purge', 'a', '--older-than', '1h'], 'go with --all or list'],
    [['queue', '--redis', 'http://x'], '--redis must be'],
    [['queue', '--every', '1s'], '--every goes with --watch'],
    [['queue', '--watch', '--every', '2'], '--every takes a duration'],
    [['queue', '--watch', '--every', '99ms'], '--every must be 100ms or longer'],
  ])('%j is wrong usage: 2', async (args, message) => {
    const { code, stdout, stderr } = await bullpen(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('validate', () => {
  test('names what is wrong with each, 3 when any is', async () => {
    await file('good.json', JOB);
    await file('bad.json', { ...JOB, policy: { version: 1, netwrok: {} } });
    await file('twice.json', '{"kind":"job","kind":"job"}');
    expect(await bullpen(['validate', 'good.json'])).toMatchObject({ code: 0, stdout: 'good.json: valid\n' });
    const { code, stdout } = await bullpen(['validate', 'good.json', 'bad.json', 'twice.json']);
    expect(code).toBe(3);
    expect(stdout).toMatch(
      /^good.json: valid\nbad.json: policy.netwrok .*\(additionalProperties\)\ntwice.json: .*\(duplicate-key\)\n$/,
    );
    const json = linesOf((await bullpen(['validate', 'bad.json', '--json'])).stdout);
    expect(json).toMatchObject([
      { file: 'bad.json', valid: false, issues: [{ path: 'policy.netwrok', rule: 'additionalProperties' }] },
    ]);
    expect((await bullpen(['validate', '-'], { input: JSON.stringify(JOB) })).code).toBe(0);
  });
});

describe('submit', () => {
  test('prints an id per job, or with --json a handle', async () => {
    await file('a.json', { ...JOB, id: 'a' });
    await file('b.json', { ...JOB, id: 'b' });
    expect(await bullpen(['submit', 'a.json', 'b.json'])).toEqual({ code: 0, stdout: 'a\nb\n', stderr: '' });
    expect(linesOf((await bullpen(['submit', 'a.json', '--json', '--tenant', 'acme'])).stdout)).toEqual([
      { id: 'a', tenant: 'acme', status: 'created' },
    ]);
    expect(linesOf((await bullpen(['submit', 'a.json', '--json'])).stdout)).toMatchObject([{ status: 'exists' }]);
  });

  test('refuses what is invalid or a conflict: 3', async () => {
    await file('a.json', { ...JOB, id: 'a' });
    await file('bad.json', { ...JOB, runtime: 7 });
    const invalid = await bullpen(['submit', 'a.json', 'bad.json']);
    expect(invalid).toMatchObject({ code: 3, stdout: 'a\n' });
    expect(invalid.stderr).toMatch(/invalid job\n {2}runtime .*\(type\)/);
    const conflict = await bullpen(['submit', 'a.json', '--stdin', 'bad.json', '--json']);
    expect(conflict.code).toBe(3);
    expect(linesOf(conflict.stdout)).toMatchObject([{ index: 0, error: { code: 'idempotency-conflict', id: 'a' } }]);
  });

  test('says 5 when Redis is away', async () => {
    const { code, stderr } = await bullpen(['submit', await file('a.json', JOB), '--redis', 'redis://127.0.0.1:1']);
    expect(code).toBe(5);
    expect(stderr).toContain('Redis is unavailable');
  });

  test('shows what the program wrote, byte for byte', async () => {
    await answerWith((source) => ({ stdout: stream(`\u001b[31m${source}`), stderr: stream('warned\n') }));
    const { code, stdout, stderr } = await bullpen(['submit', '--runtime', 'python', '--wait', '-', '--id', 'a'], {
      input: 'print(1)',
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '\u001b[31mprint(1)' });
    expect(stderr).toBe('warned\nbullpen: job a: exited, exitCode 0, phase run\n');
  });

  test('brings files, stdin and a policy', async () => {
    await file('in.csv', '1,2');
    await file('run.sh', '#!/bin/sh');
    await file('policy.json', { version: 1, limits: { wallTimeMs: 5000 } });
    await file('main.py', 'print(1)');
    const files = ['--file', 'data/in.csv=in.csv', '--file', 'run.sh=run.sh'];
    const args = ['submit', 'main.py', '--runtime', 'python', '--id', 'a', ...files, '--stdin', 'in.csv'];
    expect((await bullpen([...args, '--policy', 'policy.json'])).code).toBe(0);
    expect((await bullpen(['submit', 'main.py', '--runtime', 'python', '--id', 'b', '--policy', '@strict'])).code).toBe(
      0,
    );
    const a = await begun('a');
    expect(a).toMatchObject({
      source: 'print(1)',
      stdin: { text: '1,2' },
      files: [{ path: 'data/in.csv', text: '1,2' }, { path: 'run.sh' }],
      policy: { limits: { wallTimeMs: 5000 } },
    });
    expect(await begun('b')).toMatchObject({ policy: { name: 'strict' } });
    await file('policy.json', { version: 1, limitz: {} });
    const bad = await bullpen([...args, '--policy', 'policy.json']);
    expect(bad.code).toBe(3);
    expect(bad.stderr).toContain('limitz');
  });

  async function begun(id: string): Promise<unknown> {
    const uid = (await protocol.lookup('default', id)) ?? '';
    const answer = await protocol.begin({ uid, instance: 'w', token: 't', expectedEpoch: 1, records: [] });
    return answer.answer === 'run' ? JSON.parse(Buffer.from(answer.document).toString()) : answer;
  }

  test('takes NDJSON and gives NDJSON; a bad line is told by its index, the highest code wins', async () => {
    await answerWith((source) =>
      source === 'lost'
        ? { outcome: { kind: 'worker-lost', reason: 'died' }, attribution: 'system', rewardSafe: false }
        : {},
    );
    const input = [{ ...JOB, id: 'a' }, { ...JOB, runtime: '?' }, 'not json', { ...JOB, id: 'c', source: 'lost' }]
      .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
      .join('\n');
    const { code, stdout } = await bullpen(['submit', '-', '--wait', '--in-flight', '2'], { input });
    expect(code).toBe(4);
    const lines = linesOf(stdout);
    expect(lines).toHaveLength(4);
    expect(lines).toContainEqual(expect.objectContaining({ kind: 'result', id: 'a' }));
    expect(lines).toContainEqual(expect.objectContaining({ kind: 'result', id: 'c' }));
    expect(lines).toContainEqual({
      index: 1,
      error: expect.objectContaining({ code: 'invalid-job', message: expect.any(String) }),
    });
    expect(lines).toContainEqual({ index: 2, error: expect.objectContaining({ code: 'invalid-job' }) });
  });

  test('NDJSON without --wait gives ids in the order of the lines', async () => {
    const input = ['x', 'y', 'z'].map((id) => JSON.stringify({ ...JOB, id })).join('\n');
    expect(await bullpen(['submit', '-'], { input })).toEqual({ code: 0, stdout: 'x\ny\nz\n', stderr: '' });
  });

  test('says 6 when the wait times out, and the job goes on', async () => {
    const { code, stderr } = await bullpen([
      'submit',
      await file('a.json', { ...JOB, id: 'a' }),
      '--wait',
      '--timeout',
      '200ms',
    ]);
    expect(code).toBe(6);
    expect(stderr).toContain(`no live worker on queue ${queue}`);
    expect((await bullpen(['state', 'a'])).stdout).toBe('waiting\n');
  });
});

describe('result, artifacts, state, cancel, queue', () => {
  test('result shows the streams, or with --json the document', async () => {
    await submitAndFinish('a', { ...EXITED, stdout: stream('42\n') });
    expect(await bullpen(['result', 'a'])).toMatchObject({ code: 0, stdout: '42\n' });
    expect(linesOf((await bullpen(['result', 'a', '--json'])).stdout)).toMatchObject([
      { kind: 'result', stdout: { text: '42\n' } },
    ]);
  });

  test('result: 6 while it is not there, 3 for an unknown id, else by the outcome', async () => {
    expect((await bullpen(['result', 'a'])).code).toBe(3);
    await bullpen(['submit', await file('a.json', { ...JOB, id: 'a' })]);
    expect((await bullpen(['result', 'a'])).code).toBe(6);
    expect((await bullpen(['result', 'a', '--wait', '--timeout', '100ms'])).code).toBe(6);
    const rejected: Answer = {
      outcome: { kind: 'rejected', field: 'runtime', rule: 'unknown-runtime', message: 'no' },
      attribution: 'caller',
    };
    await submitAndFinish('b', rejected);
    expect((await bullpen(['result', 'b'])).code).toBe(3);
    const error = linesOf((await bullpen(['result', 'nobody', '--json'])).stdout);
    expect(error).toMatchObject([{ error: { code: 'job-not-found', id: 'nobody' } }]);
  });

  test('artifacts are written once and never outside', async () => {
    const artifact = (path: string, text: string) => ({ path, text, bytes: text.length, sha256: sha256(text) });
    await submitAndFinish('a', {
      ...EXITED,
      artifacts: [artifact('out/a.txt', 'A'), artifact('b.txt', 'B'), { path: 'out/l', rejected: 'symlink' }],
    });
    expect(await bullpen(['artifacts', 'a', '-o', 'got'])).toMatchObject({ code: 0, stdout: 'out/a.txt\nb.txt\n' });
    expect(await readFile(join(dir, 'got/out/a.txt'), 'utf8')).toBe('A');
    expect((await readdir(join(dir, 'got'), { recursive: true })).sort()).toEqual(['b.txt', 'out', 'out/a.txt']);
    const again = await bullpen(['artifacts', 'a', '-o', 'got', '--json']);
    expect(again.code).toBe(3);
    expect(linesOf(again.stdout)).toContainEqual({ path: 'b.txt', rejected: 'exists' });
  });

  test('queue --watch looks again and again, says so while Redis is away, and ends with Ctrl-C', async () => {
    const own = await startPrivateRedis();
    const args = ['queue', '--watch', '--every', '100ms', '--json', '--redis', own.url];
    const child = spawn(process.execPath, [BULLPEN, ...args]);
    const ended = new Promise((resolve) => child.once('close', resolve));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const lines = async (what: string, count: number) => {
      for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
        if (text.split('\n').filter((line) => line.includes(what)).length >= count) return;
      }
      throw new Error(`no ${count} lines with ${what}:\n${text}`);
    };
    await lines('"waiting":0', 3);
    await own.kill('SIGKILL');
    await lines('"code":"queue-unavailable"', 1);
    const before = text.split('"waiting":0').length - 1;
    await own.restart();
    await lines('"waiting":0', before + 1);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(linesOf(text).length).toBeGreaterThan(4);
    await own.stop();
  });

  test('queue --watch does not begin where there is no Redis', async () => {
    const { code } = await bullpen(['queue', '--watch'], { env: { BULLPEN_REDIS: 'redis://127.0.0.1:1' } });
    expect(code).toBe(5);
  });

  test('state, cancel and queue', async () => {
    await bullpen(['submit', await file('a.json', { ...JOB, id: 'a' })]);
    expect(linesOf((await bullpen(['state', 'a', '--json'])).stdout)).toMatchObject([
      { id: 'a', state: 'waiting', epoch: 0 },
    ]);
    expect(await bullpen(['cancel', 'a'])).toMatchObject({ code: 0, stdout: 'requested\n' });
    const { stdout } = await bullpen(['queue']);
    expect(stdout).toMatch(/^waiting +1$/m);
    expect(stdout).toMatch(/^oldest +\d+\.\d s$/m);
    expect(linesOf((await bullpen(['queue', '--json'])).stdout)).toMatchObject([{ waiting: 1, liveWorkers: 0 }]);
    for (const verb of ['state', 'cancel']) expect((await bullpen([verb, 'nobody'])).code).toBe(3);
    expect((await bullpen(['queue'], { env: { BULLPEN_REDIS: 'redis://127.0.0.1:1' } })).code).toBe(5);
  });
});
