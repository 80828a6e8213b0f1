import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newUid } from '../../../protocol/index.ts';
import { adoptLeft, adoptSpool } from '../../../worker/adopt-spool.ts';
import { type CommitAnswer, Committer } from '../../../worker/commit-result.ts';
import { type Finish, finishOf } from '../../../worker/finish.ts';
import { resultWithoutRun } from '../../../worker/result-document.ts';
import { Spool } from '../../../worker/spool.ts';
import type { Workplace } from '../../../worker/workplace.ts';

let directory: string;
let own: Spool;
let sent: string[];
let lines: string[];
let answers: (CommitAnswer | 'away')[];
let place: Workplace;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bullpen-adopt-'));
  own = await Spool.open(directory);
  [sent, lines, answers] = [[], [], []];
  const log = pino(
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  const send = async ({ uid }: Finish) => {
    const answer = answers.shift() ?? 'ok';
    if (answer === 'away') throw new Error('Redis is away');
    sent.push(uid);
    return answer;
  };
  const committer = new Committer({ send, spool: own, home: 'here', log });
  place = { committer, log } as Workplace;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function put(home = 'here'): Promise<string> {
  const job = { uid: newUid(), epoch: 1, tenant: 'acme' };
  const subject = { ...job, id: 'a', worker: 'w-test', startedAt: null };
  const finish = finishOf(resultWithoutRun(subject, { kind: 'cancelled', by: 'caller' }), job);
  return own.put({ home, finish });
}

const uidOf = (name: string) => name.slice(0, 26);

it('commits all that lies there, whatever Redis says of it, and clears it away', async () => {
  const names = [await put(), await put(), await put()];
  answers = ['ok', 'already', 'fenced'];
  expect(await adoptSpool({ home: 'here', own }, place)).toEqual([]);
  expect(sent.sort()).toEqual(names.map(uidOf).sort());
  expect(readdirSync(directory)).toEqual([]);
});

it('refuses what is torn, altered or for another queue, tells it, and commits the others', async () => {
  const [torn, elsewhere, whole] = [await put(), await put('elsewhere'), await put()];
  writeFileSync(join(directory, torn), 'bullpen-spool-v1 3 00\nabc');
  expect(await adoptSpool({ home: 'here', own }, place)).toEqual([]);
  expect(sent).toEqual([uidOf(whole)]);
  const refusals = lines.filter((line) => line.includes('is refused'));
  expect(refusals.filter((line) => line.includes(torn) && line.includes('the hash differs'))).toHaveLength(1);
  expect(refusals.filter((line) => line.includes(elsewhere) && line.includes('another queue'))).toHaveLength(1);
  expect(readdirSync(directory)).toEqual([]);
});

it('leaves what Redis does not take now, and tries it again', async () => {
  const name = await put();
  answers = ['away'];
  expect(await adoptSpool({ home: 'here', own }, place)).toEqual([name]);
  expect(readdirSync(directory)).toEqual([name]);
  await adoptLeft([name], { home: 'here', own }, { place, signal: new AbortController().signal });
  expect(sent).toEqual([uidOf(name)]);
  expect(readdirSync(directory)).toEqual([]);
});

it('stops trying when the worker stops, and leaves the file', async () => {
  const name = await put();
  await adoptLeft([name], { home: 'here', own }, { place, signal: AbortSignal.abort() });
  expect(sent).toEqual([]);
  expect(readdirSync(directory)).toEqual([name]);
});
