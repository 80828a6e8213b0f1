// `bullpen audit` as a person calls it: key, checkpoints, export, verification and trimming, with their exit codes.

import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { audit as verb } from '../../../producer/cli/audit.ts';
import { EXIT_USAGE } from '../../../producer/cli/exit-code.ts';
import { UsageError } from '../../../producer/cli/usage-error.ts';
import { parseCall } from '../../../producer/cli/verb.ts';
import { QueueUnavailableError } from '../../../producer/errors.ts';
import { Scribe } from '../audit/archive.ts';
import { type TestQueue, useRedis } from '../protocol/bench-queue.ts';

const BULLPEN = fileURLToPath(new URL('../../../producer/cli/main.ts', import.meta.url));
const bench = useRedis();
let queue: TestQueue;
let directory: string;

beforeEach(async () => {
  queue = bench.queue();
  directory = mkdtempSync(join(tmpdir(), 'bullpen-audit-'));
  mkdirSync(join(directory, 'checkpoints'));
  const scribe = new Scribe(queue, 'w-1');
  await scribe.boot();
  const { uid } = await queue.accept('a');
  await scribe.begin(uid, 1);
  await scribe.finish(uid, 1);
});

afterEach(() => rmSync(directory, { recursive: true }));

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command as a process of its own. */
function start(words: string) {
  const args = [BULLPEN, 'audit', ...words.replaceAll('@', '').split(' ')];
  const env = { ...process.env, BULLPEN_REDIS: bench.server.url, BULLPEN_QUEUE: queue.name };
  const child = spawn(process.execPath, args, { env, cwd: directory });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.stderr += text;
  });
  const done = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ ...ended, code })));
  return { child, ended, done };
}

/** The verb itself, in this process: a start of Node for each word takes seconds on a busy machine. `@x` is a file of the test's. */
async function audit(words: string, redis = bench.server.url): Promise<Ended> {
  const args = [
    ...words.split(' '),
    ...(/^(keygen|verify)/.test(words) ? [] : ['--redis', redis, '--queue', queue.name]),
  ];
  const [out, err] = [new PassThrough(), new PassThrough()];
  const read = (stream: PassThrough): string => String(stream.read() ?? '');
  try {
    const call = parseCall(
      verb,
      args.map((arg) => arg.replace(/^@/, `${directory}/`)),
    );
    const code = await verb.run({ ...call, stdin: process.stdin, stdout: out, stderr: err });
    return { code, stdout: read(out), stderr: read(err) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { code: EXIT_USAGE, stdout: read(out), stderr: error.message };
  }
}

const SIGN = 'checkpoint --key @audit.key --checkpoints @checkpoints --settle 0ms';
const VERIFY = 'verify @one.ndjson --checkpoints @checkpoints --key @audit.key.pub';

/** Key, one round of checkpoints, one export. */
async function prepare(): Promise<void> {
  for (const words of ['keygen @audit.key', SIGN, 'export --to @one.ndjson']) {
    const { code, stderr } = await audit(words);
    if (code !== 0) throw new Error(`${words}: ${stderr}`);
  }
}

it('makes a key that its owner alone can read, and never over another', async () => {
  const made = await audit('keygen @audit.key --name audit.example/pens');
  expect(made).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^audit\.example\/pens\+[0-9a-f]{8}\+\S{44}\n$/),
  });
  expect(statSync(join(directory, 'audit.key')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(directory, 'audit.key.pub'), 'utf8')).toBe(made.stdout);
  const key = readFileSync(join(directory, 'audit.key'), 'utf8');
  await expect(audit('keygen @audit.key')).rejects.toMatchObject({ code: 'EEXIST' });
  expect(readFileSync(join(directory, 'audit.key'), 'utf8')).toBe(key);
});

it('signs, exports and verifies; the report is one object', async () => {
  await prepare();
  const verified = await audit(VERIFY);
  expect(verified).toMatchObject({ code: 0, stderr: '' });
  expect(verified.stdout).toBe('w-1  records 1 to 4, signed up to 4\nverified: 4 records, 1 checkpoints\n');
  const { code, stdout } = await audit(`${VERIFY} --json`);
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { ok: true, records: 4, checkpoints: 1, faults: [] }]);
});

it('an export to stdout is the same as into a file', async () => {
  await prepare();
  const { stdout, code } = await audit('export');
  expect([code, stdout]).toEqual([0, readFileSync(join(directory, 'one.ndjson'), 'utf8')]);
});

it('names the first bad record and why, with exit code 4', async () => {
  await prepare();
  const path = join(directory, 'one.ndjson');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"event":"started"', '"event":"finished"'));
  const report = await audit(VERIFY);
  expect(report.code).toBe(4);
  expect(report.stderr).toMatch(/^bullpen: \S+one\.ndjson:4: record 3 of w-1 is none: .* \(record\)\n/);
  expect(report.stdout).toContain('NOT verified');
  const { faults } = JSON.parse((await audit(`${VERIFY} --json`)).stdout);
  expect(faults[0]).toMatchObject({ rule: 'record', log: 'w-1', seq: 3, file: join(directory, 'one.ndjson'), line: 4 });
});

it('says what a verification without checkpoints is worth', async () => {
  await prepare();
  const report = await audit('verify @one.ndjson');
  expect(report).toMatchObject({ code: 0, stderr: expect.stringContaining('could have made all of this up') });
});

it('trims after verifying, and not when that fails', async () => {
  await prepare();
  const words = VERIFY.replace('verify', 'trim');
  expect(await audit(words)).toMatchObject({ code: 0, stdout: 'w-1 4 0\n' });
  const path = join(directory, 'one.ndjson');
  writeFileSync(path, readFileSync(path).subarray(0, -1));
  expect(await audit(words)).toMatchObject({ code: 4, stderr: expect.stringContaining('(line)') });
  expect(await audit('trim @one.ndjson')).toMatchObject({ code: 2 });
});

it('checkpoints again and again until a signal, and tells a log that was cut back each time', async () => {
  await audit('keygen @audit.key');
  const running = start(`${SIGN} --every 50ms`);
  await until(() => running.ended.stdout.includes('w-1 4 '));
  await new Scribe(queue, 'w-2').boot();
  await until(() => running.ended.stdout.includes('w-2 1 '));
  await queue.redis.del(queue.keys.audit('w-1'), queue.keys.auditHead('w-1'));
  await until(() => running.ended.stderr.includes('(truncated): not signed'));
  running.child.kill('SIGTERM');
  expect((await running.done).code).toBe(4);
  expect(readdirSync(join(directory, 'checkpoints'))).toHaveLength(2);
});

it('ends in order on a signal when all was well', async () => {
  await audit('keygen @audit.key');
  const running = start(`${SIGN} --every 1h`);
  await until(() => running.ended.stdout.includes('w-1 4 '));
  running.child.kill('SIGTERM');
  expect(await running.done).toMatchObject({ code: 0, stderr: '' });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

it('refuses a key that others can read, and one that is none', async () => {
  await audit('keygen @audit.key');
  chmodSync(join(directory, 'audit.key'), 0o644);
  expect(await audit(SIGN)).toMatchObject({ code: 2, stderr: expect.stringContaining('chmod 600') });
  chmodSync(join(directory, 'audit.key'), 0o600);
  expect((await audit(SIGN)).code).toBe(0);
  chmodSync(join(directory, 'audit.key.pub'), 0o600);
  expect(await audit(SIGN.replace('audit.key', 'audit.key.pub'))).toMatchObject({ code: 2 });
});

it('says what is wrong with a call', async () => {
  const wrong: [string, string][] = [
    ['checkpoint --key @audit.key', '--checkpoints'],
    ['verify', 'the oldest first'],
    ['verify @x --every 1m', 'no --every'],
    ['verify @x --checkpoints @checkpoints', 'belong together'],
    ['keygen @one @two', 'one file name'],
    ['keygen @one --name two+three', '--name'],
    ['export --after @audit.key.pub', 'no whole export'],
    ['sign', 'keygen, export'],
  ];
  await audit('keygen @audit.key');
  for (const [words, sentence] of wrong) {
    expect(await audit(words)).toMatchObject({ code: 2, stderr: expect.stringContaining(sentence) });
  }
  await expect(audit('verify @nothing.ndjson')).rejects.toMatchObject({ code: 'ENOENT' });
});

it('a Redis that is not there is told apart', async () => {
  await expect(audit('export', 'redis://127.0.0.1:1')).rejects.toThrow(QueueUnavailableError);
});

it('as a process: files of the operating system that are not there, and a whole verification', async () => {
  await prepare();
  expect(await start('verify nothing.ndjson').done).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('ENOENT'),
  });
  expect(await start(VERIFY).done).toMatchObject({ code: 0, stderr: '' });
});
