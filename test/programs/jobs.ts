// Runs job documents one after another on one engine, as `bullpen-worker run` runs one: its argument is a JSON object of a worker's
// configuration and jobs, its output the array of results.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newUid } from '../../protocol/uid.ts';
import type { Result } from '../../schemas/types.ts';
import { loadSettings, type Settings } from '../../worker/config.ts';
import { forOneJob, openEngine } from '../../worker/lease.ts';

const { config, jobs } = JSON.parse(process.argv[2] ?? '') as { config: object; jobs: object[] };
process.stdout.write(JSON.stringify(await runAll(settingsOf(config), jobs)));

function settingsOf(document: object): Settings {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-jobs-'));
  try {
    const file = join(directory, 'config.json');
    writeFileSync(file, JSON.stringify(document));
    return loadSettings(file, {});
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function runAll(settings: Settings, documents: object[]): Promise<Result[]> {
  const { engine, lease, dropPrivileges } = await openEngine(forOneJob(settings), { drops: true });
  try {
    dropPrivileges();
    const results: Result[] = [];
    for (const document of documents) {
      const context = { uid: newUid(), epoch: 1, tenant: 'default', id: 'one', queuedUs: 0, worker: lease.instance };
      results.push(await engine.run(Buffer.from(JSON.stringify(document)), context).wait());
    }
    return results;
  } finally {
    await engine.close();
  }
}
