import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

const LIMITS = ['wallTimeMs', 'cpuTimeMs', 'memoryBytes', 'processes', 'diskBytes', 'inodes', 'openFiles', 'cpuMillis'];
const NONE = ['0', '-1', '"10"', 'null', '9007199254740993', '0.5', '[]', '{}', 'true', '1e308', 'NaN'];

for (const limit of LIMITS) {
  it(`K05 ${limit} that is no limit`, async () => {
    for (const value of NONE) await refuse(pen, job(`,"policy":{"version":1,"limits":{"${limit}":${value}}}`));
  });
}

it('K05 a limit that is one', async () => {
  expect((await pen.run(job(',"policy":{"version":1,"limits":{"wallTimeMs":5000}}'))).outcome.kind).toBe('exited');
});
