import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateRedis } from '../../ops/private-redis.ts';
import { SCRIPTS } from '../../protocol/scripts.ts';
import type { FaultProxy } from '../helpers/fault-proxy.ts';
import type { WorkerProcess } from '../helpers/worker-process.ts';
import type { Crew } from './crew.ts';
import { type DeedName, deedsOf } from './deeds.ts';

/** What can be disturbed. */
export interface Scene {
  crew: Crew;
  redis: PrivateRedis;
  proxy: FaultProxy;
}

/** Longer than the lock of the crew's workers. */
const STUPOR_MS = 4500;
const SCRIPT_HASHES = Object.values(SCRIPTS).map(({ sha1 }) => sha1);

type Act = (scene: Scene, chance: number) => Promise<unknown> | unknown;

/** The acts that others need not wait for. Those on Redis and on the network, of which there is one, follow each other. */
const ASIDE: Partial<Record<DeedName, Act>> = {
  'worker stopped for longer than its lock': ({ crew }, chance) => stupor(victimOf(crew, chance), STUPOR_MS),
  'worker stopped for a moment': ({ crew }, chance) => stupor(victimOf(crew, chance), 1000 * chance),
  'forkserver stopped': ({ crew }, chance) => crew.pauseForkserver(victimOf(crew, chance), 2000 * chance),
};

const INLINE: Partial<Record<DeedName, Act>> = {
  'worker killed': ({ crew }, chance) => crew.replace(victimOf(crew, chance), 'SIGKILL'),
  'worker ended': ({ crew }, chance) => crew.replace(victimOf(crew, chance), 'SIGTERM'),
  'shim killed': ({ crew }, chance) => crew.killShim(victimOf(crew, chance)),
  'forkserver killed': ({ crew }, chance) => crew.killForkserver(victimOf(crew, chance)),
  'sandbox killed': ({ crew }, chance) => crew.killSandbox(victimOf(crew, chance), (chance * 97) % 1),
  'reply lost': ({ proxy }, chance) => proxy.loseReplyTo(at(SCRIPT_HASHES, chance)),
  'connections reset': ({ proxy }) => proxy.resetAll(),
  'connections dark': ({ proxy }) => proxy.darkenAll(),
  'a twentieth of the replies lost': ({ proxy }) => during(1000, proxy, 'lossRate', 0.05),
  'new connections refused': async ({ proxy }) => {
    proxy.isRefusing = true;
    proxy.resetAll();
    await sleep(1000);
    proxy.isRefusing = false;
  },
  latency: ({ proxy }, chance) => during(1500, proxy, 'delayMs', 20 + 400 * chance),
  sliced: ({ proxy }, chance) => during(1500, proxy, 'sliceBytes', 1 + Math.floor(200 * chance)),
  'Redis killed': async ({ redis }) => {
    await redis.kill('SIGKILL');
    await sleep(300);
    await redis.restart();
  },
  'Redis stopped': async ({ redis }, chance) => {
    await redis.kill('SIGSTOP');
    await sleep(3000 * chance);
    await redis.kill('SIGCONT');
  },
};

/** Brings one bad thing after another, as the seed has it, until `isOver`; counts them by name. Everything is in order again then. */
export async function bringDisorder(
  scene: Scene,
  seed: number,
  isOver: () => boolean,
): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  const aside: Promise<unknown>[] = [];
  for (const { name, chance, thenMs } of deedsOf(seed)) {
    if (isOver()) break;
    const act = ASIDE[name];
    if (act !== undefined) aside.push(Promise.resolve(act(scene, chance)));
    const hit = await INLINE[name]?.(scene, chance);
    if (hit !== false) done[name] = (done[name] ?? 0) + 1;
    await sleep(thenMs);
  }
  await Promise.all(aside);
  return done;
}

async function stupor(worker: WorkerProcess, forMs: number): Promise<void> {
  worker.kill('SIGSTOP');
  await sleep(forMs);
  worker.kill('SIGCONT');
}

async function during(
  forMs: number,
  proxy: FaultProxy,
  setting: 'delayMs' | 'sliceBytes' | 'lossRate',
  value: number,
): Promise<void> {
  proxy[setting] = value;
  await sleep(forMs);
  proxy[setting] = 0;
}

function victimOf(crew: Crew, chance: number): WorkerProcess {
  return at(crew.living, chance);
}

function at<T>(list: readonly T[], chance: number): T {
  const found = list[Math.floor(chance * list.length)];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
}
