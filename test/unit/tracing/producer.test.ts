// A producer in an application that has registered an SDK: what it sends is what that SDK gets.

import { context, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  StackContextManager,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { createProducer, type JobInput, type ProducerOptions, QueueUnavailableError } from '../../../producer/index.ts';
import { keysOf } from '../../../protocol/index.ts';

const JOB: JobInput = { kind: 'job', version: 1, id: 'a', runtime: 'python', source: 'print(1)' };
const exporter = new InMemorySpanExporter();
let server: PrivateRedis;
let redis: Redis;

beforeAll(async () => {
  context.setGlobalContextManager(new StackContextManager().enable());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  server = await startPrivateRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  trace.disable();
  context.disable();
});
beforeEach(() => exporter.reset());

/** What is kept of the trace of the job submitted by a producer with these options to this queue. */
async function traceOf(queue: string, options: Partial<ProducerOptions>): Promise<string | null> {
  await using producer = createProducer({ redis: server.url, queue, ...options });
  await producer.submit(JOB);
  const uid = (await redis.get(keysOf(queue).id('default', 'a'))) ?? '';
  return redis.hget(keysOf(queue).job(uid), 'trace');
}

it('tracing: true keeps the span of the submission beside the job', async () => {
  const kept = await traceOf('traced', { tracing: true });
  const [span] = exporter.getFinishedSpans();
  expect(span?.name).toBe('bullpen.submit');
  expect(kept).toBe(`00-${span?.spanContext().traceId}-${span?.spanContext().spanId}-01`);
});

it('without it there is no span, and nothing beside the job', async () => {
  expect(await traceOf('untraced', {})).toBeNull();
  expect(exporter.getFinishedSpans()).toEqual([]);
});

it('a submission that fails is a span that says so', async () => {
  await using producer = createProducer({ redis: 'redis://127.0.0.1:1', tracing: true, connectTimeoutMs: 50 });
  await expect(producer.submit(JOB)).rejects.toThrow(QueueUnavailableError);
  expect(exporter.getFinishedSpans().map(({ status }) => status.message)).toEqual(['queue-unavailable']);
});

it.each(['yes', 1, null])('tracing: %j is refused by name', (tracing) => {
  const options = { redis: server.url, tracing } as unknown as ProducerOptions;
  expect(() => createProducer(options)).toThrow('createProducer: option tracing must be');
});
