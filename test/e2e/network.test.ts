import { afterEach, beforeEach, expect, it } from 'vitest';
import { createProducer, type JobInput } from '../../producer/index.ts';
import { SCRIPTS, type ScriptName } from '../../protocol/scripts.ts';
import { FaultProxy } from '../helpers/fault-proxy.ts';
import { Pen, until } from '../helpers/pen.ts';

let pen: Pen;
let proxy: FaultProxy;
beforeEach(async () => {
  pen = await Pen.open();
  proxy = await FaultProxy.before(pen.redis.port);
});
afterEach(async () => {
  await pen.close();
  await proxy.close();
});

const bash = (source: string): JobInput => ({ kind: 'job', version: 1, runtime: 'bash', source });

it('a worker whose connections only look alive notices within 10 s, and serves', async () => {
  await pen.startWorker({ redis: proxy.url, lockMs: 30_000, stalledMs: 5000 });
  await pen.producer.run(bash('true'));
  proxy.darkenAll();
  expect(await pen.producer.run(bash('echo on'), { timeoutMs: 20_000 })).toMatchObject({ stdout: { text: 'on\n' } });
}, 60_000);

it('a producer whose connections only look alive hears of its job, and submits again', async () => {
  await pen.startWorker();
  await using producer = createProducer({ redis: proxy.url, queue: pen.queue, connectTimeoutMs: 8000 });
  const slow = await producer.submit(bash('sleep 2; echo slow'));
  const result = slow.result({ timeoutMs: 25_000 });
  await until('it runs', async () => (await slow.state()).state === 'running');
  proxy.darkenAll();
  expect(await producer.run(bash('echo next'), { timeoutMs: 15_000 })).toMatchObject({ stdout: { text: 'next\n' } });
  expect(await result).toMatchObject({ stdout: { text: 'slow\n' } });
}, 60_000);

it.each<ScriptName>(['begin', 'commit', 'register'])(
  'a lost reply of %s changes nothing',
  async (name) => {
    await pen.startWorker({ redis: proxy.url });
    proxy.loseReplyTo(SCRIPTS[name].sha1);
    const result = await pen.producer.run(bash('echo once'), { timeoutMs: 20_000 });
    expect(result).toMatchObject({ epoch: 1, stdout: { text: 'once\n' } });
    await until('the reply is lost', () => !proxy.isWaitingToLose);
  },
  60_000,
);
