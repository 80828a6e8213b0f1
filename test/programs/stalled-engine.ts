// A process with an engine that begins jobs and then does nothing for them. `node stalled-engine.ts JOBS HOW`: JOBS is a JSON array of
// documents; with HOW `block` its event loop stands still for 10 s as soon as they are begun, with `wait` it goes on, for others to
// stop it. Prints `begun`, and at the end the results, a JSON array.

import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newUid } from '../../protocol/index.ts';
import { Engine, takeLease } from '../../worker/engine.ts';

const BLOCKED_MS = 10_000;
const [jobs = '[]', how] = process.argv.slice(2);
const runDir = mkdtempSync(join(tmpdir(), 'bullpen-stalled-'));
const { instance, firstUid, uidCount } = takeLease({ runDir, uids: { first: 760_000, count: 4_096 }, slots: 4 });
const uids = { first: firstUid, count: uidCount };
const engine = await Engine.open({ version: 1, slots: 4, runDir, uids, pools: {}, instance });
const executions = (JSON.parse(jobs) as object[]).map((job) => {
  const uid = newUid();
  const context = { uid, epoch: 1, tenant: 'stalled', id: uid, queuedUs: 0, worker: instance };
  return engine.run(Buffer.from(JSON.stringify(job)), context);
});
writeSync(1, 'begun\n');
if (how === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);
const results = await Promise.all(executions.map((execution) => execution.wait()));
writeSync(1, `${JSON.stringify(results)}\n`);
await engine.close();
rmSync(runDir, { recursive: true, force: true });
