// `npm run limits [-- RUNS]`: each limit from both sides, 100 times, as figures. Fails where a limit is not kept, and, on a machine
// that is idle enough for the promise (load at most 2), where one in time is overrun by more than the documented slack, or a cancelled job lives on too long.

import { loadavg } from 'node:os';
import { CANCEL_MS, measureCancels } from './cancel.ts';
import { LimitsPen } from './engine.ts';
import { SIDES, type Side, TIMED, type TimedSide } from './sides.ts';

const CALM = 2;
const runs = Number(process.argv[2] ?? 100);
const pen = await LimitsPen.open();
const before = loadavg()[0] ?? 0;
let broken = 0;

console.log(`${'limit'.padEnd(30)}${'kept'.padStart(10)}   overrun in ms: min, p50, max (allowed)`);
for (const side of SIDES) await show(side);
for (const side of TIMED) {
  const overruns = (await show(side)).map((us) => us / 1_000).sort((a, b) => a - b);
  const [least = 0, middle = 0, most = 0] = [0, overruns.length >> 1, overruns.length - 1].map((at) => overruns[at]);
  const calm = (loadavg()[0] ?? 0) <= CALM;
  const late = most * 1_000 > side.slackUs;
  const verdict = late ? (calm ? '  TOO LATE' : '  too late for an idle machine; this one is not') : '';
  const figures = [least, middle, most].map((ms) => ms.toFixed(1)).join(', ');
  console.log(`${''.padEnd(43)}${figures} (${side.slackUs / 1_000})${verdict}`);
  if (late && calm) broken += 1;
}
await pen.close();
await showCancels();
console.log(`load ${before} before, ${loadavg()[0]} after`);
process.exitCode = broken === 0 ? 0 : 1;

/** Runs a side; gives the overruns of a limit in time. */
async function show(side: Side & Partial<TimedSide>): Promise<number[]> {
  const overruns: number[] = [];
  const wrong: string[] = [];
  for (let count = 0; count < runs; count += 1) {
    const result = await pen.run(side.job);
    const problem = side.judge(result);
    if (problem !== null) wrong.push(problem);
    else if (side.overrunUs !== undefined) overruns.push(side.overrunUs(result));
  }
  console.log(`${side.name.padEnd(30)}${`${runs - wrong.length}/${runs}`.padStart(10)}   ${wrong[0] ?? ''}`);
  if (wrong.length > 0) broken += 1;
  return overruns;
}

/** How long cancelled jobs live on; 95 in 100 are to be gone in time. */
async function showCancels(): Promise<void> {
  const times = await measureCancels(runs);
  const [p50 = 0, p95 = 0, most = 0] = [0.5, 0.95, 1].map((share) => times[Math.ceil(share * times.length) - 1]);
  const calm = (loadavg()[0] ?? 0) <= CALM;
  const late = p95 > CANCEL_MS;
  const verdict = late ? (calm ? '  TOO LATE' : '  too late for an idle machine; this one is not') : '';
  console.log(
    `cancel, a tree of 50 processes: p50, p95, max: ${p50.toFixed(1)}, ${p95.toFixed(1)}, ${most.toFixed(1)} ms (p95 ${CANCEL_MS})${verdict}`,
  );
  if (late && calm) broken += 1;
}
