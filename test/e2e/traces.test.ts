// One trace from the submission to the result, over processes of their own: the command, a worker, and a collector.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keysOf } from '../../protocol/index.ts';
import { auditRecords, connect } from '../helpers/audit.ts';
import { Collector, type HeardSpan } from '../helpers/otlp.ts';
import { Pen, until } from '../helpers/pen.ts';

const BULLPEN = fileURLToPath(new URL('../../producer/cli/main.ts', import.meta.url));
const STAGES = ['acquire', 'setup', 'run', 'collect', 'commit'].map((stage) => `bullpen.${stage}`);

let pen: Pen;
let collector: Collector;
beforeEach(async () => {
  pen = await Pen.open();
  collector = await Collector.open();
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.endpoint;
});
afterEach(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  await pen.close();
  await collector.close();
});

async function bullpen(args: string[], input: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, BULLPEN_REDIS: pen.redis.url, BULLPEN_QUEUE: pen.queue };
  const child = spawn(process.execPath, [BULLPEN, ...args], { env });
  const ended = { code: -1, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.stderr += text;
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { ...ended, code: Number(code) };
}

const named = (name: string): HeardSpan | undefined => collector.spans.find((span) => span.name === name);

it('tells one trace from the submission to the result, each stage below its attempt', async () => {
  await pen.startWorker();
  const ended = await bullpen(['submit', '--runtime', 'python', '--id', 'traced', '--wait', '-'], 'print(6*7)');
  expect(ended).toMatchObject({ code: 0, stdout: '42\n' });
  await until('all spans', () => ['bullpen.commit', 'bullpen.attempt', 'bullpen.result'].every(named));

  const submit = named('bullpen.submit');
  const attempt = named('bullpen.attempt');
  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(collector.spans.map(({ name }) => name).sort()).toEqual(
    ['bullpen.submit', 'bullpen.queue', 'bullpen.attempt', ...STAGES, 'bullpen.result'].sort(),
  );
  expect(submit?.parentSpanId).toBe('');
  for (const name of ['bullpen.queue', 'bullpen.attempt', 'bullpen.result']) {
    expect([name, named(name)?.parentSpanId]).toEqual([name, submit?.spanId]);
  }
  for (const name of STAGES) expect([name, named(name)?.parentSpanId]).toEqual([name, attempt?.spanId]);
  expect([submit?.service, attempt?.service]).toEqual(['bullpen', 'bullpen-worker']);
  expect(attempt?.attributes).toMatchObject({ 'bullpen.outcome': 'exited', 'bullpen.id': 'traced' });
  expect(submit?.attributes['bullpen.uid']).toBe(attempt?.attributes['bullpen.uid']);
}, 60_000);

it('spans of the stages follow one another, and none ends before it began', async () => {
  await pen.startWorker();
  await bullpen(['submit', '--runtime', 'python', '--wait', '-'], 'print(1)');
  await until('all spans', () => ['bullpen.commit', 'bullpen.attempt'].every(named));
  for (const { name, start, end } of collector.spans) expect([name, end >= start]).toEqual([name, true]);
  const order = STAGES.map((name) => named(name)?.start ?? 0n);
  expect(order).toEqual([...order].sort((a, b) => (a < b ? -1 : 1)));
}, 60_000);

it('the trace changes no hash: what is logged of the document is the same with and without it', async () => {
  await pen.startWorker();
  const job = JSON.stringify({ kind: 'job', version: 1, id: 'same', runtime: 'python', source: 'print(1)' });
  await bullpen(['submit', '--wait', '-'], job);
  // Another submission, in another trace, of the same document: the same job.
  const again = await bullpen(['submit', '--json', '-'], job);
  expect(JSON.parse(again.stdout)).toMatchObject({ id: 'same', status: 'exists' });
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  expect(JSON.parse((await bullpen(['submit', '--json', '-'], job)).stdout)).toMatchObject({ status: 'exists' });
  expect((await auditRecords(pen)).filter(({ event }) => event === 'accepted')).toHaveLength(1);
}, 60_000);

it('a job that nobody traces, and one whose trace was overwritten in Redis, begin traces of their own', async () => {
  const untraced = await pen.producer.submit({ kind: 'job', version: 1, runtime: 'python', source: 'print(1)' });
  await bullpen(['submit', '--runtime', 'python', '--id', 'overwritten', '-'], 'print(2)');
  const redis = connect(pen.redis.url);
  const uid = (await redis.get(keysOf(pen.queue).id('default', 'overwritten'))) ?? '';
  expect(await redis.hget(keysOf(pen.queue).job(uid), 'trace')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  await redis.hset(keysOf(pen.queue).job(uid), 'trace', 'x'.repeat(100_000));
  await redis.quit();
  const worker = await pen.startWorker();
  await untraced.result({ timeoutMs: 20_000 });
  expect(await pen.producer.job('overwritten').result({ timeoutMs: 20_000 })).toMatchObject({
    stdout: { text: '2\n' },
  });
  await until('two attempts', () => collector.spans.filter(({ name }) => name === 'bullpen.attempt').length === 2);
  const attempts = collector.spans.filter(({ name }) => name === 'bullpen.attempt');
  expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual(['', '']);
  expect(new Set(attempts.map(({ traceId }) => traceId)).size).toBe(2);
  expect(worker.log()).not.toContain('"level":50');
}, 60_000);

it('without the switch nothing is sent', async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  await pen.startWorker();
  expect((await bullpen(['submit', '--runtime', 'python', '--wait', '-'], 'print(1)')).code).toBe(0);
  await sleep(1_500);
  expect(collector.spans).toEqual([]);
}, 60_000);

it('a collector that takes nothing holds neither jobs nor the end of a worker up', async () => {
  await collector.close();
  const worker = await pen.startWorker({ drainMs: 1_000 });
  const result = await pen.producer.run({ kind: 'job', version: 1, runtime: 'python', source: 'print(1)' });
  expect(result.outcome.kind).toBe('exited');
  const asked = performance.now();
  worker.kill('SIGTERM');
  expect(await worker.exited).toBe(0);
  expect(performance.now() - asked).toBeLessThan(3_000);
  collector = await Collector.open();
}, 60_000);
