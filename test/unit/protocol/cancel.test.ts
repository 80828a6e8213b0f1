import { once } from 'node:events';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { useRedis } from './bench-queue.ts';

const bench = useRedis();

/** Listens to a channel; call the result to get the first message. */
async function listen(channel: string): Promise<() => Promise<string>> {
  const subscriber = new Redis(bench.server.url);
  await subscriber.subscribe(channel);
  const heard = once(subscriber, 'message');
  return async () => {
    const [, message] = await heard;
    subscriber.disconnect();
    return message as string;
  };
}

it('a waiting job never begins: it leaves the line, and workers are told to sweep', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const heard = await listen(queue.keys.sweep);
  const answer = await queue.protocol.cancel({ tenant: 'acme', id: 'j1', reason: 'not needed' });
  expect(answer).toEqual({ answer: 'requested', uid, state: 'waiting' });
  expect(await heard()).toBe(uid);
  expect(await queue.register()).toEqual([]);
  expect(await queue.protocol.peek(uid)).toMatchObject({ state: 'waiting', cancelRequested: true });
  expect((await queue.protocol.sweep()).endings).toMatchObject([{ uid, epoch: 0, why: 'cancelled', by: 'caller' }]);
});

it('a running job is flagged, and its worker is told which', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const heard = await listen(queue.keys.cancelled('w-1'));
  const answer = await queue.protocol.cancel({ tenant: 'acme', id: 'j1' });
  expect(answer).toEqual({ answer: 'requested', uid, state: 'running' });
  expect(await heard()).toBe(uid);
  expect(await queue.protocol.peek(uid)).toMatchObject({ state: 'running', cancelRequested: true });
});

it('asking twice is one request: who asked first stays', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.protocol.cancel({ tenant: 'acme', id: 'j1', by: 'operator' });
  expect(await queue.protocol.cancel({ tenant: 'acme', id: 'j1' })).toMatchObject({ answer: 'requested' });
  expect(await queue.begin(uid)).toMatchObject({ answer: 'cancelled', by: 'operator' });
});

it('answers final for a job that has ended, and unknown for none or another tenant’s', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1');
  expect(await queue.protocol.cancel({ tenant: 'acme', id: 'j1' })).toEqual({
    answer: 'final',
    uid,
    outcome: 'exited',
  });
  expect(await queue.protocol.cancel({ tenant: 'other', id: 'j1' })).toEqual({ answer: 'unknown' });
});
