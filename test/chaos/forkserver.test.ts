import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareInventories, type Inventory, ofInstances, takeInventory } from '../../ops/inventory.ts';
import { startPrivateRedis } from '../../ops/private-redis.ts';
import { until } from '../helpers/pen.ts';
import { descendantsOf, forkserversOf, isAlive } from '../helpers/processes.ts';
import type { Client } from './client.ts';
import { FORKSERVER_POINTS, killAt } from './forkserver-points.ts';
import { Play, Stage } from './play.ts';

/** P3: what anything may outlive its forkserver by, and what a busy machine may add. */
const OUTLIVE_MS = 2000 + 1000;

let stage: Stage;
let before: Inventory;
beforeAll(async () => {
  stage = new Stage(await startPrivateRedis());
  before = takeInventory({ uids: stage.uids, directories: [stage.runDir] });
});
afterAll(async () => {
  await stage.redis.stop();
  stage.clear();
});

/** A job that leaves a file to be collected; returns its client when it has ended. */
async function live(play: Play, attempts: number): Promise<Client> {
  const id = `${play.queue}-${play.clients.length}`;
  const command: [string, ...string[]] = ['/bin/bash', '-c', `sleep 0.1; echo x > x; echo ${id}`];
  const job = { kind: 'job' as const, version: 1 as const, runtime: 'bash', id, attempts, command, artifacts: ['x'] };
  const client = play.attach({ job, says: `${id}\n`, cancelAfterMs: null, givesUp: false, leavesMarks: false });
  await client.live(play.producer);
  return client;
}

/** Of a job during which the forkserver dies there: with another attempt left it runs, without it may have failed. */
const endsOf = (attempts: number) => (attempts > 1 ? ['exited'] : ['exited', 'failed']);

describe('a forkserver dies, and every promise holds', () => {
  it.concurrent.each(FORKSERVER_POINTS)('$name', async (point) => {
    const play = await Play.open(stage);
    const worker = play.start();
    try {
      for (const attempts of [1, 2]) {
        expect((await live(play, 1)).outcome, 'it serves').toBe('exited');
        const [forkserver = 0] = forkserversOf(worker.pid);
        const { done } = await killAt(point, forkserver);
        const below = descendantsOf(forkserver);
        const living = live(play, attempts);
        await done;
        const outlived = await until('all below it is dead', () => ![forkserver, ...below].some(isAlive));
        expect(outlived).toBeLessThan(OUTLIVE_MS);
        expect(endsOf(attempts)).toContain((await living).outcome);
      }
      expect((await live(play, 1)).outcome, 'it goes on').toBe('exited');
      await play.settle();
      expect(await play.judge()).toEqual([]);
      expect(await worker.stop()).toBe(0);
    } finally {
      worker.kill('SIGKILL');
      await play.close();
    }
  });
});

describe('after all of them', () => {
  it('the machine is as before', () => {
    const instances = stage.instances();
    const after = takeInventory({ uids: stage.uids, directories: [stage.runDir] });
    expect(instances.length).toBeGreaterThan(0);
    expect(compareInventories(ofInstances(before, instances), ofInstances(after, instances))).toEqual([]);
  });
});
