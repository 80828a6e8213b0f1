// Loaded by Node before a process of ours (`node --import`): that process then kills itself, as `kill -9` would, at the moment that
// the environment names. It puts itself around a method of an exported class; what that class is made of stays as it is.

import { readdirSync, readFileSync, writeSync } from 'node:fs';
import { CRASH_AT, CRASH_POINTS, type CrashPoint } from './crash-points.ts';

type Method = (this: unknown, ...args: unknown[]) => unknown;

const LOOK_MS = 2;
const name = process.env[CRASH_AT];
const point = CRASH_POINTS.find((each) => each.name === name);
if (point === undefined) throw new Error(`${CRASH_AT} names no crash point: ${name}`);
await arm(point);

async function arm(at: CrashPoint): Promise<void> {
  const path = at.module.endsWith('.ts') ? new URL(`../../${at.module}`, import.meta.url).href : at.module;
  const owner = ((await import(path)) as Record<string, { prototype: Record<string, Method> }>)[at.owner];
  const original = owner?.prototype[at.method];
  if (owner === undefined || original === undefined) throw new Error(`${at.name}: no ${at.owner}.${at.method}`);
  owner.prototype[at.method] = function (...args: unknown[]) {
    if (at.ofAnswer === undefined) return surround(at, original, this, args);
    const answer = original.apply(this, args) as Record<string, Method>;
    const inner = answer[at.ofAnswer];
    if (inner === undefined) throw new Error(`${at.name}: its answer has no ${at.ofAnswer}`);
    answer[at.ofAnswer] = function (...innerArgs: unknown[]) {
      return surround(at, inner, this, innerArgs);
    };
    return answer;
  };
}

/** Calls the method, and dies before or after, if this is the call that is meant. */
function surround(at: CrashPoint, method: Method, self: unknown, args: unknown[]): unknown {
  const isMeant = (answer?: unknown) => at.if === undefined || at.if(args, answer);
  if (at.when === 'before' && isMeant()) die(at);
  if (at.when === 'seen' && isMeant()) dieOnceSeen(at, args);
  const answer = method.apply(self, args);
  if (at.when !== 'after') return answer;
  if (answer instanceof Promise) {
    return answer.then((settled: unknown) => (isMeant(settled) ? die(at) : settled));
  }
  return isMeant(answer) ? die(at) : answer;
}

function die(at: CrashPoint): never {
  writeSync(1, `{"level":"crash","at":"${at.name}"}\n`);
  process.kill(process.pid, 'SIGKILL');
  for (;;); // the signal is there before this ends its first round
}

function dieOnceSeen(at: CrashPoint, [, context]: unknown[]): void {
  const { id } = context as { id: string };
  const look = setInterval(() => {
    if (readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(id))) {
      clearInterval(look);
      die(at);
    }
  }, LOOK_MS);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
