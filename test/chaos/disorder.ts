import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateRedis } from '../../ops/private-redis.ts';
import { SCRIPTS } from '../../protocol/scripts.ts';
import type { FaultProxy } from '../helpers/fault-proxy.ts';
import type { Crew } from './crew.ts';
import { pick } from './random.ts';

export interface Scene {
  crew: Crew;
  redis: PrivateRedis;
  proxy: FaultProxy;
  random: () => number;
}

/** Longer than the lock of the crew's workers. */
const STUPOR_MS = 4500;

const DEEDS: Record<string, (scene: Scene) => Promise<void> | void> = {
  'worker killed': ({ crew, random }) => crew.replace(pick(random, crew.living), 'SIGKILL'),
  'worker ended': ({ crew, random }) => crew.replace(pick(random, crew.living), 'SIGTERM'),
  'worker stopped for longer than its lock': async ({ crew, random }) => {
    const worker = pick(random, crew.living);
    worker.kill('SIGSTOP');
    await sleep(STUPOR_MS);
    worker.kill('SIGCONT');
  },
  'forkserver killed': ({ crew, random }) => crew.killForkserver(pick(random, crew.living)),
  'reply lost': ({ proxy, random }) => proxy.loseReplyTo(pick(random, Object.values(SCRIPTS)).sha1),
  'connections reset': ({ proxy }) => proxy.resetAll(),
  'connections dark': ({ proxy }) => proxy.darkenAll(),
  'a twentieth of the replies lost': async ({ proxy }) => {
    proxy.lossRate = 0.05;
    await sleep(1000);
    proxy.lossRate = 0;
  },
  'Redis killed': async ({ redis }) => {
    await redis.kill('SIGKILL');
    await sleep(300);
    await redis.restart();
  },
};

/** One bad thing after another for so long; counts them by name. Everything is in order again when it returns. */
export async function bringDisorder(scene: Scene, forMs: number): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    const [name, act] = pick(scene.random, Object.entries(DEEDS));
    await act(scene);
    done[name] = (done[name] ?? 0) + 1;
    await sleep(200 + scene.random() * 800);
  }
  return done;
}
