import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { newUid } from '../../../protocol/index.ts';
import type { Result } from '../../../schemas/types.ts';
import { Drain } from '../../../worker/drain.ts';
import { Executions, type Running } from '../../../worker/executions.ts';
import { resultWithoutRun } from '../../../worker/result-document.ts';

let executions: Executions;
let kills: string[];
let fetching: boolean;
beforeEach(() => {
  executions = new Executions();
  kills = [];
  fetching = true;
});

/** A job in hand whose sandbox ends at the first kill, or never. */
function begin(name: string, epoch: number, attempts: number, mortal = true): Running {
  const subject = { id: name, tenant: 'acme', uid: newUid(), epoch, worker: 'w-test', startedAt: null };
  let end: (result: Result) => void = () => {};
  const ended = new Promise<Result>((resolve) => {
    end = resolve;
  });
  const running = executions.open(name);
  running.began(epoch, attempts);
  running.attach({
    wait: () => ended,
    extend: () => undefined,
    kill: (reason) => {
      kills.push(`${name} ${reason}`);
      if (mortal) end(resultWithoutRun(subject, { kind: 'worker-lost', reason: 'drain' }));
    },
  });
  void ended.then(() => executions.close(running));
  return running;
}

function drainWithin(drainMs: number): Drain {
  const stopFetching = async () => {
    fetching = false;
    await Promise.all(executions.uids.map((uid) => executions.whenGone(uid)));
  };
  return new Drain({ executions, drainMs, stopFetching });
}

describe('a drain', () => {
  it('stops fetching and is over at once when nothing runs', async () => {
    const drain = drainWithin(10_000);
    expect(drain.state).toBe('serving');
    await drain.request();
    expect(fetching).toBe(false);
    expect(drain.state).toBe('ending');
    expect(kills).toEqual([]);
  });

  it('hands back what may begin again, and leaves the rest its time', async () => {
    begin('repeatable', 1, 2);
    const last = begin('last', 2, 2);
    const drain = drainWithin(10_000);
    const drained = drain.request();
    await sleep(10);
    expect(kills).toEqual(['repeatable drain']);
    expect(drain.state).toBe('draining');
    executions.close(last);
    await drained;
    expect(kills).toEqual(['repeatable drain']);
  });

  it('ends what is not done within its time', async () => {
    begin('last', 1, 1);
    const asked = performance.now();
    await drainWithin(100).request();
    expect(kills).toEqual(['last drain']);
    expect(performance.now() - asked).toBeLessThan(1_000);
  });

  it('ends a job at once that was killed before its sandbox was there', () => {
    const running = executions.open('early');
    executions.kill('early', 'cancelled');
    executions.killAll('drain');
    running.attach({
      wait: () => Promise.reject(new Error('never waited for')),
      kill: (reason) => kills.push(reason),
      extend: () => undefined,
    });
    expect(kills).toEqual(['cancelled']);
  });

  it('does not wait for an execution that will not die', async () => {
    begin('immortal', 1, 1, false);
    const asked = performance.now();
    await drainWithin(50).request();
    expect(performance.now() - asked).toBeLessThan(2_000);
  });

  it('ends at once when it is asked again', async () => {
    begin('last', 1, 1);
    const drain = drainWithin(60_000);
    const first = drain.request();
    await sleep(10);
    expect(kills).toEqual([]);
    await Promise.all([first, drain.request()]);
    expect(kills).toEqual(['last drain']);
  });
});
