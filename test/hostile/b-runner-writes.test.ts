import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { entriesOf, HostilePen, readProgram } from './harness.ts';

/** Nothing that a build leaves is in the way of what the runner writes for the run. */
const pen = await HostilePen.ofFile();
const PLANT = `#!/bin/sh\n${readProgram('b08-plant.sh')}`;

it('B08 a build plants nothing that the run would write through', async () => {
  const env = { GCC_EXEC_PREFIX: '/work/tool/', TARGET: pen.canaries.targets.rootOnly };
  // The control: on the host the same variable makes a compiler run the program, which plants its links.
  const scratch = mkdtempSync(join(tmpdir(), 'bullpen-hostile-build-'));
  mkdirSync(join(scratch, 'tool'));
  writeFileSync(join(scratch, 'tool/cc1'), PLANT);
  chmodSync(join(scratch, 'tool/cc1'), 0o755);
  writeFileSync(join(scratch, 'main.c'), '');
  const misled = { PATH: '/usr/bin:/bin', ...env, GCC_EXEC_PREFIX: `${scratch}/tool/` };
  expect(spawnSync('gcc', ['-o', 'main', 'main.c'], { cwd: scratch, env: misled }).status).not.toBe(0);
  for (const name of ['main.c', 'stdin', 'main']) expect(lstatSync(join(scratch, name)).isSymbolicLink()).toBe(true);
  rmSync(scratch, { recursive: true });

  const result = await pen.run({
    runtime: 'c',
    source: 'int main(void) { return 0; }',
    env,
    files: [{ path: 'tool/cc1', text: PLANT, executable: true }],
    artifacts: ['*'],
  });
  // It ran no program of the job: what it made is there, and no link.
  expect([result.outcome.kind, entriesOf(result)['main']]).toEqual(['exited', 'base64']);
  expect(Object.values(entriesOf(result)).filter((verdict) => verdict === 'symlink')).toEqual([]);
  expect(await pen.touched()).toEqual([]);
});
