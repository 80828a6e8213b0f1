import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareInventories, type Inventory, ofInstances, takeInventory } from '../../ops/inventory.ts';
import { startPrivateRedis } from '../../ops/private-redis.ts';
import { CRASH_AT, CRASH_POINTS, type CrashPoint } from './crash-points.ts';
import { dyingAt, Play, Stage } from './play.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));
const PRODUCER = fileURLToPath(new URL('./crashing-producer.ts', import.meta.url));
/** P3: what anything may outlive its worker by, and what a busy machine may add. */
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

const of = (who: CrashPoint['who']) => CRASH_POINTS.filter((point) => point.who === who);

describe('a worker dies, and every promise holds', () => {
  it.concurrent.each(of('worker'))('$name', async (point) => {
    const play = await Play.open(stage);
    try {
      await play.submitAll({ withUnbegun: point.setting !== 'lost-reply' });
      await play.dieAt(point);
      await play.goOn();
      expect(await play.judge()).toEqual([]);
      expect(play.outlivedMs).toBeLessThan(OUTLIVE_MS);
    } finally {
      await play.close();
    }
  });
});

describe('a producer dies, and what it was promised holds', () => {
  it.concurrent.each(of('producer'))('$name', async (point) => {
    const play = await Play.open(stage);
    try {
      const id = `${play.queue}-orphan`;
      const command: [string, ...string[]] = ['/bin/echo', id];
      const job = { kind: 'job' as const, version: 1 as const, runtime: 'bash', id, attempts: 1, command };
      const client = play.attach({ job, says: `${id}\n`, cancelAfterMs: null, givesUp: false, leavesMarks: false });
      const words = [PRODUCER, stage.redis.url, play.queue, JSON.stringify([job])];
      const env = { ...process.env, ...dyingAt(point) };
      const submitting = promisify(execFile)(process.execPath, words, { env });
      await expect(submitting).rejects.toMatchObject({ signal: 'SIGKILL' });
      const isAccepted = await play.producer
        .job(id)
        .state()
        .then(
          () => true,
          () => false,
        );
      expect(isAccepted).toBe(point.name !== 'before-accept');
      // Nobody but the dead producer ever submits it; what was not accepted is submitted now.
      const read = isAccepted ? client.read(play.producer) : client.live(play.producer);
      await play.goOn();
      await read;
      expect(client.outcome).toBe('exited');
      expect(await play.judge()).toEqual([]);
    } finally {
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

describe('what is released', () => {
  const released = globSync(['schemas/**/*.ts', 'protocol/**/*.{ts,lua}', 'producer/**/*.ts', 'worker/**/*.ts'], {
    cwd: CLONE,
  });
  const marks = [CRASH_AT, 'crash-preload', ...CRASH_POINTS.map(({ name }) => `'${name}'`)];
  const marksIn = (path: string) => marks.filter((mark) => readFileSync(join(CLONE, path), 'utf8').includes(mark));

  it('holds no crash point, and nothing that could reach one', () => {
    expect(released.length).toBeGreaterThan(50);
    expect(released.filter((path) => marksIn(path).length > 0)).toEqual([]);
    expect(released.filter((path) => /from '(\.\.\/)+test\//.test(readFileSync(join(CLONE, path), 'utf8')))).toEqual(
      [],
    );
    // The control: the list of the tests holds all of them.
    expect(marksIn('test/chaos/crash-points.ts')).toEqual(marks);
  });

  it.each(['after-begin', 'before-commit'])('does not hear the variable by which %s is chosen', async (name) => {
    const play = await Play.open(stage);
    process.env[CRASH_AT] = name;
    try {
      await play.submitAll({ withUnbegun: true });
      await play.goOn();
      expect(play.clients.map(({ outcome }) => outcome).toSorted()).toEqual(['cancelled', ...Array(5).fill('exited')]);
    } finally {
      delete process.env[CRASH_AT];
      await play.close();
    }
  });

  it('names each point once', () => {
    expect(new Set(CRASH_POINTS.map(({ name }) => name)).size).toBe(CRASH_POINTS.length);
  });
});
