import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { canonicalText } from '../../../audit/canonical.ts';
import { AuditChain, AuditChainError, type AuditEvent, canonicalBytes, NO_HASH } from '../../../protocol/index.ts';
import { SCRIPTS } from '../../../protocol/scripts.ts';
import { AUDIT_VERDICTS } from '../../../schemas/types.ts';
import { commitOf, record, type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();
const CLOSE: AuditEvent = { actor: 'worker:w-1', event: 'close', tenant: null, uid: null, epoch: 0, body: {} };

function chainOf(queue: TestQueue): AuditChain {
  return new AuditChain('w-1', () => queue.protocol.readAuditHead('w-1'));
}

function append(queue: TestQueue, chain: AuditChain, events = [CLOSE]) {
  return chain.append(events, (records) => queue.protocol.appendAudit(records));
}

/** Reads the whole log and checks it as an offline verifier would. */
async function verify(queue: TestQueue): Promise<number> {
  const stored = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 10_000 });
  let prev = NO_HASH;
  for (const [place, { seq, sha256, bytes }] of stored.entries()) {
    const found = JSON.parse(Buffer.from(bytes).toString());
    expect(found).toMatchObject({ v: 1, log: 'w-1', seq: place + 1, prev });
    expect(seq).toBe(place + 1);
    prev = createHash('sha256').update('bullpen-audit-v1\0').update(bytes).digest('hex');
    expect(sha256).toBe(prev);
  }
  return stored.length;
}

it('appends a record once: the same again is again, and the head stays', async () => {
  const queue = bench.queue();
  const first = record(1);
  const second = record(2, first.sha256);
  expect(await queue.protocol.readAuditHead('w-1')).toEqual({ seq: 0, sha256: NO_HASH });
  expect(await queue.protocol.appendAudit([first])).toEqual({ answer: 'ok' });
  expect(await queue.protocol.appendAudit([first])).toEqual({ answer: 'again' });
  expect(await queue.protocol.appendAudit([second])).toEqual({ answer: 'ok' });
  expect(await queue.protocol.appendAudit([first])).toEqual({ answer: 'again' });
  expect(await queue.protocol.readAuditHead('w-1')).toEqual({ seq: 2, sha256: second.sha256 });
  expect(await queue.protocol.listAuditLogs()).toEqual(['w-1']);
});

it('answers gap to a hole, to another record in the same place, and to one that names another before it', async () => {
  const queue = bench.queue();
  const first = record(1);
  await queue.protocol.appendAudit([first]);
  const gap = { answer: 'gap', head: { seq: 1, sha256: first.sha256 } };
  expect(await queue.protocol.appendAudit([record(3, first.sha256)])).toEqual(gap);
  expect(await queue.protocol.appendAudit([record(1, NO_HASH, { forged: true })])).toEqual(gap);
  expect(await queue.protocol.appendAudit([record(2, NO_HASH)])).toEqual(gap);
  expect(await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 10 })).toHaveLength(1);
});

it('stores neither of two records when the second does not follow', async () => {
  const queue = bench.queue();
  const pair = [record(1), record(2, NO_HASH)];
  expect(await queue.protocol.appendAudit(pair)).toMatchObject({ answer: 'gap', head: { seq: 0 } });
});

it('canonical bytes are RFC 8785: keys by UTF-16 code units, shortest escapes', () => {
  const document = {
    '\u20ac': 1,
    '\r': 2,
    '\ufb33': 3,
    '1': [null, true, 'a"\\\u000f\u007f'],
    '\ud83d\ude02': 4,
    b: {},
  };
  const text = '{"\\r":2,"1":[null,true,"a\\"\\\\\\u000f\u007f"],"b":{},"\u20ac":1,"\ud83d\ude02":4,"\ufb33":3}';
  expect(Buffer.from(canonicalBytes(document)).toString()).toBe(text);
  expect(() => canonicalBytes(undefined)).toThrow(TypeError);
  expect(() => canonicalBytes({ bad: '\ud800' })).toThrow();
});

it('a chain gives each event its place in the order of the calls, without waiting for the ones before', async () => {
  const queue = bench.queue();
  const chain = chainOf(queue);
  await Promise.all(Array.from({ length: 50 }, () => append(queue, chain, [CLOSE, CLOSE])));
  expect(await verify(queue)).toBe(100);
  expect(await chain.lastSeq()).toBe(100);
});

it('a later start of the same instance goes on where the log ends', async () => {
  const queue = bench.queue();
  await append(queue, chainOf(queue));
  await append(queue, chainOf(queue));
  expect(await verify(queue)).toBe(2);
});

it('goes on after a gap: every event is in the log exactly once', async () => {
  const queue = bench.queue();
  const chain = chainOf(queue);
  await append(queue, chain);
  // Not alike, or it would be the chain's own next record in the same millisecond.
  await append(queue, chainOf(queue), [{ ...CLOSE, actor: 'worker:stranger' }]);
  await Promise.all(Array.from({ length: 20 }, () => append(queue, chain)));
  expect(await verify(queue)).toBe(22);
});

it('goes on after a call that failed, whether its records were stored or not', async () => {
  const queue = bench.queue();
  const chain = chainOf(queue);
  const failed = chain.append([CLOSE], async (records) => {
    await queue.protocol.appendAudit(records);
    throw new Error('connection lost');
  });
  await expect(failed).rejects.toThrow('connection lost');
  const neverSent = chain.append([CLOSE], async () => Promise.reject(new Error('not connected')));
  await expect(neverSent).rejects.toThrow('not connected');
  await append(queue, chain);
  expect(await verify(queue)).toBe(2);
});

it('gives up by name when no record ever follows', async () => {
  const queue = bench.queue();
  const head = async () => ({ seq: 4, sha256: NO_HASH });
  await expect(append(queue, new AuditChain('w-1', head))).rejects.toThrow(AuditChainError);
});

it('keeps the latest 1,000 records when trimmed, and still knows them again', async () => {
  const queue = bench.queue();
  const chain = chainOf(queue);
  const three = [CLOSE, CLOSE, CLOSE];
  for (let n = 0; n < 20; n++) await append(queue, chain, Array.from({ length: 17 }, () => three).flat());
  expect(await chain.lastSeq()).toBe(1020);
  expect(await queue.protocol.trimAudit({ log: 'w-1', upToSeq: 5 })).toBe(5);
  expect(await queue.protocol.trimAudit({ log: 'w-1', upToSeq: 1020 })).toBe(15);
  const kept = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 2000 });
  expect([kept.length, kept[0]?.seq]).toEqual([1000, 21]);
  await append(queue, chain);
  expect(await chain.lastSeq()).toBe(1021);
});

function told({ bytes }: { bytes: Uint8Array }): unknown {
  return JSON.parse(Buffer.from(bytes).toString()).verdicts;
}

it('tells in the next record which verdicts the ones before have', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('a');
  const chain = new AuditChain('w-1', () => queue.protocol.readAuditTail('w-1'));
  await append(queue, chain);
  await chain.append([{ ...CLOSE, event: 'started' }], (records) =>
    queue.protocol.begin({ uid, instance: 'w-1', token: 't', expectedEpoch: 1, records }),
  );
  await chain.append([{ ...CLOSE, event: 'finished' }], (records) =>
    queue.protocol.commit({ ...commitOf(uid), epoch: 2, records }),
  );
  await append(queue, chain, [CLOSE, CLOSE]);
  const stored = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 10 });
  expect(stored.map(told)).toEqual([
    undefined,
    [{ seq: 1, verdict: 'ok' }],
    [{ seq: 2, verdict: 'run' }],
    [{ seq: 3, verdict: 'fenced' }],
    undefined,
  ]);
  expect(stored.map(({ verdict }) => verdict)).toEqual(['ok', 'run', 'fenced', 'ok', 'ok']);
});

it('tells the verdict that is stored, not the answer to the same call sent twice', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('a');
  await queue.run(uid);
  const chain = new AuditChain('w-1', () => queue.protocol.readAuditTail('w-1'));
  const answer = await chain.append([{ ...CLOSE, event: 'finished' }], async (records) => {
    await queue.protocol.commit({ ...commitOf(uid), records: records.map(({ onStored: _, ...entry }) => entry) });
    return queue.protocol.commit({ ...commitOf(uid), records });
  });
  expect(answer).toEqual({ answer: 'already', same: true, outcome: 'exited' });
  await append(queue, chain);
  const [, last] = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 10 });
  expect(last && told(last)).toEqual([{ seq: 1, verdict: 'ok' }]);
});

it('a later start tells the last verdicts that it finds, at most 64', async () => {
  const queue = bench.queue();
  const first = new AuditChain('w-1', () => queue.protocol.readAuditTail('w-1'));
  await append(
    queue,
    first,
    Array.from({ length: 70 }, () => CLOSE),
  );
  await append(queue, new AuditChain('w-1', () => queue.protocol.readAuditTail('w-1')));
  const [last] = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 70, limit: 1 });
  const verdicts = (last && told(last)) as { seq: number }[];
  expect([verdicts.length, verdicts[0]?.seq, verdicts.at(-1)?.seq]).toEqual([64, 7, 70]);
});

it('reads the heads of several logs at one moment', async () => {
  const queue = bench.queue();
  await append(queue, chainOf(queue));
  const heads = await queue.protocol.readAuditHeads(['w-1', 'w-2']);
  expect([...heads].map(([log, { seq }]) => [log, seq])).toEqual([
    ['w-1', 1],
    ['w-2', 0],
  ]);
  expect(heads.get('w-1')).toEqual(await queue.protocol.readAuditHead('w-1'));
});

it("a reader's canonical text is that of the writer", () => {
  const document = {
    '\u20ac': 1,
    '\r': [null, true, 'a"\\\u000f\u007f'],
    '\ufb33': { b: {}, a: -0 },
    '\ud83d\ude02': 9,
  };
  expect(canonicalText(document)).toBe(Buffer.from(canonicalBytes(document)).toString());
});

it('every verdict of the scripts is one that records may have', () => {
  const words = (script: 'begin' | 'commit') =>
    [...SCRIPTS[script].source.matchAll(/return '([a-z]+)'/g)].map(([, word]) => word);
  expect(words('begin')).toContain('poison');
  expect([...words('begin'), ...words('commit')].filter((word) => !AUDIT_VERDICTS.some((one) => one === word))).toEqual(
    [],
  );
});
