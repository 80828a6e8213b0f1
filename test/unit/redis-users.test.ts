// Every login of ops/redis/users.acl: does all that it needs, and is refused what it doesn't.

import type { Queue } from 'bullmq';
import { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addReleased, BULL_QUEUE_NAME, bullPrefix, newUid, openBullQueue, Waiter } from '../../protocol/index.ts';
import { SCRIPTS, type ScriptName } from '../../protocol/scripts.ts';
import { GuardedRedis, type Login } from '../helpers/guarded-redis.ts';
import { commitOf, record, TestQueue } from './protocol/bench-queue.ts';

let guarded: GuardedRedis;
const by = {} as Record<Login, Redis>;

beforeAll(async () => {
  guarded = await GuardedRedis.start();
  for (const login of ['admin', 'producer', 'operator', 'worker', 'auditor', 'archiver', 'observer'] as const)
    by[login] = guarded.connect(login);
});
afterAll(() => guarded.close());
beforeEach(async () => {
  await guarded.refusals();
});

/** One queue as producer and as worker. */
function queues(): { producer: TestQueue; worker: TestQueue; keys: TestQueue['keys'] } {
  const worker = new TestQueue(by.worker);
  return { worker, producer: new TestQueue(by.producer, worker.name), keys: worker.keys };
}

/** A finished job with an audit record. */
async function finished(): Promise<ReturnType<typeof queues> & { uid: string }> {
  const both = queues();
  const { uid } = await both.producer.accept('done');
  await both.worker.run(uid, { records: [record(1)] });
  await both.worker.commit(uid);
  return { ...both, uid };
}

describe('what each needs', () => {
  it('producer and worker take a job through its life, with everything that may happen to it', async () => {
    const { producer, worker } = queues();
    await worker.register();
    const large = Buffer.alloc(700_000, 'x');
    const blob = await producer.protocol.putBlob('acme', large);
    const { uid } = await producer.accept('j1', { document: large });
    await producer.accept('j2');
    await producer.accept('j3', { expiresInMs: 1 });
    await worker.register({ slots: 3 });
    expect((await worker.run(uid)).document).toHaveLength(large.length);
    expect(await worker.protocol.getBlob('acme', blob)).toHaveLength(large.length);
    expect(await producer.protocol.cancel({ tenant: 'acme', id: 'j2' })).toMatchObject({ answer: 'requested' });
    await worker.protocol.putResultBlob('acme', large, 60_000);
    expect(await worker.commit(uid, { dead: 'step-failed', outcome: 'failed', records: [record(1)] })).toMatchObject({
      answer: 'ok',
    });
    expect((await worker.protocol.sweep()).endings).not.toEqual([]);
    await worker.protocol.release();
    await worker.protocol.appendAudit([]);
    expect(await worker.protocol.readAuditHead('w-1')).toMatchObject({ seq: 1 });
    expect(await producer.protocol.readResult(uid)).toMatchObject({ answer: 'result' });
    expect(await producer.protocol.readState('acme', 'j1')).toMatchObject({ state: 'final' });
    expect(await producer.protocol.stats()).toMatchObject({ dead: 1 });
    await worker.protocol.deregister({ instance: 'w-1', bootId: 'boot-1' });
    expect(await guarded.refusals()).toEqual([]);
  });

  it('a producer hands jobs to BullMQ and waits, a worker gets them, renews, hands back and finishes', async () => {
    const { producer, worker } = queues();
    await worker.register();
    const bull: Queue = openBullQueue(by.producer, producer.name);
    bull.on('error', () => undefined);
    const waiter = new Waiter(by.producer, producer.name);
    const connection = by.worker.duplicate({ maxRetriesPerRequest: null });
    const consumer = new Worker(
      BULL_QUEUE_NAME,
      async (job) => {
        if (job.attemptsStarted === 1) await job.moveToWait('t').catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 700));
        await worker.run(job.id ?? '');
        await worker.commit(job.id ?? '');
      },
      {
        connection,
        prefix: bullPrefix(worker.name),
        lockDuration: 1000,
        stalledInterval: 200,
      },
    );
    consumer.on('error', () => undefined);
    const { uid, releases } = await producer.accept('j1');
    expect(releases).toEqual([uid]);
    await addReleased(bull, releases);
    await waiter.wait(uid, AbortSignal.timeout(20_000));
    expect(await producer.protocol.readResult(uid)).toMatchObject({ answer: 'result' });
    await consumer.close();
    connection.disconnect();
    await waiter.close();
    await bull.close();
    expect(await guarded.refusals()).toEqual([]);
  });

  it('an operator retries and purges dead letters, and submits what it retries', async () => {
    const { producer, worker } = queues();
    for (const id of ['j1', 'j2']) {
      const { uid } = await producer.accept(id);
      await worker.run(uid);
      await worker.commit(uid, { dead: 'step-failed', outcome: 'failed' });
    }
    const operator = new TestQueue(by.operator, worker.name);
    const [two, one] = (await operator.protocol.listDead()).letters;
    if (one === undefined || two === undefined) throw new Error('no dead letters');
    expect(await operator.protocol.readDocument(one.uid)).not.toBeNull();
    const named = await operator.protocol.nameRetry({ letter: one, newUid: newUid() });
    if (named.answer !== 'named') throw new Error(named.answer);
    await operator.accept(named.id, { uid: named.uid });
    expect(await operator.protocol.bury(one.uid, 'retried')).toBe(true);
    expect(await operator.protocol.bury(two.uid, 'purged')).toBe(true);
    expect(await guarded.refusals()).toEqual([]);
  });

  it('an auditor reads every log', async () => {
    const { worker } = await finished();
    const auditor = new TestQueue(by.auditor, worker.name).protocol;
    expect(await auditor.listAuditLogs()).toEqual(['w-1']);
    expect(await auditor.readAudit({ log: 'w-1', afterSeq: 0, limit: 10 })).toHaveLength(1);
    expect((await auditor.readAuditHeads(['w-1'])).get('w-1')).toMatchObject({ seq: 1 });
    expect(await guarded.refusals()).toEqual([]);
  });

  it('an archiver trims what was exported, and can do nothing else to a log', async () => {
    const { worker, keys } = await finished();
    const archiver = new TestQueue(by.archiver, worker.name).protocol;
    expect(await archiver.readAudit({ log: 'w-1', afterSeq: 0, limit: 10 })).toHaveLength(1);
    expect(await archiver.trimAudit({ log: 'w-1', upToSeq: 1 })).toBe(0); // the latest 1,000 stay
    expect(await by.archiver.xtrim(keys.audit('w-1'), 'MINID', 2)).toBe(1);
    expect(await guarded.refusals()).toEqual([]);
    for (const command of ['DEL', 'UNLINK', 'XADD', 'EXPIRE']) {
      expect(await dryRun('archiver', command, keys.audit('w-1')), command).not.toBe('OK');
    }
    await expect(by.archiver.del(keys.auditHead('w-1'))).rejects.toThrow(REFUSED);
  });

  it('an observer sees how deep the queue is and who serves it', async () => {
    const { worker, producer } = queues();
    await worker.register();
    await producer.accept('j1');
    const observer = new TestQueue(by.observer, worker.name).protocol;
    expect(await observer.stats()).toMatchObject({ waiting: 1, slots: 2 });
    expect(await observer.countWorkers()).toBe(1);
    expect(await guarded.refusals()).toEqual([]);
  });
});

/** Of a command, and of one within a script. */
const REFUSED = /^NOPERM|can't (access at least one of the keys|run this command)/;
const EVERYBODY = ['producer', 'operator', 'worker', 'auditor', 'archiver', 'observer'] as const;

/** What a script asks of Redis: its commands with the kind of key they act on. */
function callsOf(name: ScriptName): [command: string, key: string][] {
  const { source } = SCRIPTS[name];
  const named = new Map([...source.matchAll(/local (\w+) = P \.\. '([\w-]+:?)/g)].map(([, key, kind]) => [key, kind]));
  const calls = [...source.matchAll(/redis\.call\('([A-Z]+)', (?:P \.\. '([\w-]+:?)|(\w+_key\b))/g)];
  return calls.flatMap(([, command = '', kind, key]): [string, string][] => {
    const kinds = kind ?? named.get(key) ?? PARAMETERS[key ?? ''];
    if (kinds === undefined) throw new Error(`what is ${key} in ${name}?`);
    return [kinds].flat().map((one) => [command, one]);
  });
}

/** Keys that functions of the scripts are given. */
const PARAMETERS: Record<string, string | string[]> = {
  job_key: 'job:',
  tags_key: ['ready', 'finish'],
  named_key: ['result:', 'blob:'],
};

/** What Redis would say of the command: `OK`, or why not. It wants as many arguments as the command takes. */
async function dryRun(login: Login, command: string, key: string): Promise<unknown> {
  for (let fillers = 0; ; fillers += 1) {
    const said = await by.admin.call('ACL', 'DRYRUN', login, command, key, ...Array(fillers).fill('1')).catch(String);
    if (!/wrong number of arguments/.test(String(said)) || fillers > 9) return said;
  }
}

const BY_LOGIN: [Login, ScriptName[]][] = [
  ['producer', ['accept', 'admit', 'cancel', 'release']],
  ['operator', ['accept', 'admit', 'cancel', 'release', 'retry', 'bury']],
  [
    'worker',
    ['append', 'begin', 'commit', 'deregister', 'limit', 'register', 'release', 'store', 'sweep', 'tenant', 'yield'],
  ],
];

it('every script is somebody’s', () => {
  const taken = new Set(BY_LOGIN.flatMap(([, names]) => names));
  expect(Object.keys(SCRIPTS).filter((name) => !taken.has(name as ScriptName))).toEqual([]);
});

it.each(BY_LOGIN)('%s may use every command of its scripts on every kind of key in them', async (login, names) => {
  const { keys } = queues();
  for (const name of names) {
    const calls = callsOf(name);
    expect(calls.length).toBeGreaterThan(0);
    for (const [command, kind] of calls) {
      if (command === 'PUBLISH') continue;
      const key = `${keys.prefix}${kind}${kind.endsWith(':') ? 'x' : ''}`;
      expect(await dryRun(login, command, key), `${name}: ${command} ${key}`).toBe('OK');
    }
  }
});

describe('what nobody may', () => {
  it.each(EVERYBODY)(
    '%s: empty the database, read or change settings, list keys, act on clients or logins',
    async (login) => {
      const commands = [
        'FLUSHALL',
        'FLUSHDB',
        'CONFIG GET *',
        'CONFIG SET dir /',
        'KEYS *',
        'SCAN 0',
        'SHUTDOWN',
        'CLIENT LIST',
        'CLIENT KILL TYPE normal',
        'ACL LIST',
        'ACL SETUSER x on',
        'SCRIPT FLUSH',
        'FUNCTION FLUSH',
        'MONITOR',
        'REPLICAOF no one',
        'SAVE',
        'MODULE LIST',
        'DUMP k',
        'RENAME a b',
        'COPY a b',
        'SORT k',
        'SWAPDB 0 1',
      ];
      for (const line of commands) {
        const [command = '', ...args] = line.split(' ');
        await expect(by[login].call(command, ...args), line).rejects.toThrow(REFUSED);
      }
    },
  );

  it.each(EVERYBODY)('%s: touch keys of another prefix, directly or by a script', async (login) => {
    await by.admin.set('other:key', 'x');
    await expect(by[login].call('GET', 'other:key')).rejects.toThrow(REFUSED);
    await expect(by[login].call('SET', 'other:key', 'y')).rejects.toThrow(REFUSED);
    await expect(by[login].call('EVAL', "return redis.call('GET', 'other:key')", '0')).rejects.toThrow(REFUSED);
    expect(await by.admin.get('other:key')).toBe('x');
  });

  it.each(EVERYBODY.filter((login) => login !== 'archiver'))('%s: trim or delete audit records', async (login) => {
    const { keys } = await finished();
    const log = keys.audit('w-1');
    for (const [command, ...args] of [
      ['XTRIM', log, 'MAXLEN', '0'],
      ['DEL', log],
      ['UNLINK', log],
      ['XDEL', log, '1-0'],
      ['PEXPIRE', log, '1'],
      ['SREM', keys.auditLogs, 'w-1'],
      ['DEL', keys.auditHead('w-1')],
    ] as const) {
      await expect(by[login].call(command, ...args), command).rejects.toThrow(REFUSED);
      const script = `return redis.call('${[command, ...args].join("','")}')`;
      await expect(by[login].call('EVAL', script, '0'), `${command} by a script`).rejects.toThrow(REFUSED);
    }
    expect(await by.admin.xlen(log)).toBe(1);
    expect(await by.admin.xtrim(log, 'MAXLEN', 0)).toBe(1);
  });
});

describe('a producer', () => {
  it('cannot forge a result: not directly, not by a script of its own, not by commit', async () => {
    const { producer, worker, keys } = queues();
    const { uid } = await producer.accept('j1');
    await expect(producer.run(uid)).rejects.toThrow(REFUSED);
    await worker.run(uid);
    const result = keys.result(uid);
    await expect(by.producer.hset(result, 'bytes', '{}')).rejects.toThrow(REFUSED);
    const forge = "return redis.call('HSET', ARGV[1], 'bytes', '{}')";
    await expect(by.producer.eval(forge, 1, keys.prefix, result)).rejects.toThrow(REFUSED);
    await expect(producer.protocol.commit(commitOf(uid))).rejects.toThrow(REFUSED);
    expect(await by.admin.exists(result)).toBe(0);
    expect(await producer.protocol.readState('acme', 'j1')).toMatchObject({ state: 'running' });
    expect(await worker.commit(uid)).toMatchObject({ answer: 'ok' });
  });

  it('cannot change or remove a result that is there', async () => {
    const { keys, uid } = await finished();
    const result = keys.result(uid);
    for (const [command, ...args] of [
      ['HSET', result, 'bytes', 'x'],
      ['DEL', result],
      ['UNLINK', result],
      ['PEXPIRE', result, '1'],
      ['HDEL', result, 'bytes'],
    ] as const) {
      await expect(by.producer.call(command, ...args), command).rejects.toThrow(REFUSED);
    }
    expect(await by.producer.hget(result, 'bytes').catch(() => 'refused')).not.toBe('x');
  });

  it('cannot write an audit record or read one', async () => {
    const { producer, keys } = await finished();
    await expect(producer.protocol.appendAudit([record(2)])).rejects.toThrow(REFUSED);
    await expect(by.producer.call('XRANGE', keys.audit('w-1'), '-', '+')).rejects.toThrow(REFUSED);
  });

  it('cannot change weights and caps, nor pass for a worker', async () => {
    const { producer, keys } = queues();
    await expect(by.producer.hset(keys.tenant('acme'), 'weight', '1000')).rejects.toThrow(REFUSED);
    await expect(producer.register()).rejects.toThrow(REFUSED);
  });
});

describe.each(['auditor', 'archiver', 'observer'] as const)('an %s', (login) => {
  it('changes nothing and reads no job and no result', async () => {
    const { keys, uid } = await finished();
    for (const [command, ...args] of [
      ['HSET', keys.job(uid), 'state', 'x'],
      ['HMGET', keys.job(uid), 'document'],
      ['HMGET', keys.result(uid), 'bytes'],
      ['ZADD', keys.due, '0', uid],
      ['PUBLISH', keys.done(uid), 'exited'],
      ['EVAL', 'return 1', '0'],
      ['EVALSHA', SCRIPTS.release.sha1, '1', keys.prefix],
    ] as const) {
      await expect(by[login].call(command, ...args), command).rejects.toThrow(REFUSED);
    }
  });
});
