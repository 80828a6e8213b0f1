import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newUid } from '../../../protocol/index.ts';
import { type CommitAnswer, Committer } from '../../../worker/commit-result.ts';
import { type Finish, finishOf } from '../../../worker/finish.ts';
import { createLog } from '../../../worker/log.ts';
import { resultWithoutRun } from '../../../worker/result-document.ts';
import { Spool } from '../../../worker/spool.ts';

const log = createLog({ level: 'silent', descriptor: 2 });
let directory: string;
let spool: Spool;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bullpen-commit-'));
  spool = await Spool.open(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Redis as a script of what it does at each attempt; the last entry repeats. */
function committer(...script: (CommitAnswer | 'away')[]): { it: Committer; sent: Finish[] } {
  const sent: Finish[] = [];
  const send = async (finish: Finish) => {
    const now = script[Math.min(sent.length, script.length - 1)] ?? 'away';
    sent.push(finish);
    if (now === 'away') throw new Error('Redis is away');
    return now;
  };
  return { it: new Committer({ send, spool, home: 'here', log }), sent };
}

function finish(): Finish {
  const job = { uid: newUid(), epoch: 1, tenant: 'acme' };
  const subject = { ...job, id: 'a', worker: 'w-test', startedAt: null };
  return finishOf(resultWithoutRun(subject, { kind: 'cancelled', by: 'caller' }), job);
}

describe('committing a result', () => {
  it('is one round trip and leaves nothing on disk', async () => {
    const { it: commits, sent } = committer('ok');
    expect(await commits.commit(finish())).toBe('ok');
    expect(sent.length).toBe(1);
    expect(await spool.names()).toEqual([]);
  });

  it('keeps the result on disk while Redis is away, and commits the same bytes when it is back', async () => {
    const { it: commits, sent } = committer('away', 'away', 'ok');
    const result = finish();
    const committed = commits.commit(result);
    await sleep(20);
    const [name] = await spool.names();
    expect(name).toBeDefined();
    expect((await spool.read(name ?? '')).finish).toEqual(result);
    expect(await committed).toBe('ok');
    expect(sent).toEqual([result, result, result]);
    expect(await spool.names()).toEqual([]);
  });

  it('stops when another result counts', async () => {
    const { it: commits } = committer('away', 'fenced');
    expect(await commits.commit(finish())).toBe('fenced');
    expect(await spool.names()).toEqual([]);
  });

  it('leaves the result on disk when the worker stops first', async () => {
    const { it: commits } = committer('away');
    const committed = commits.commit(finish());
    await sleep(20);
    commits.stop();
    expect(await committed).toBe('kept');
    expect((await spool.names()).length).toBe(1);
  });

  it('never keeps the result of an execution that was given up', async () => {
    const { it: commits, sent } = committer('away');
    expect(await commits.commitIfPossible(finish())).toBe('dropped');
    expect(sent.length).toBe(1);
    expect(await spool.names()).toEqual([]);
  });
});
