import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

for (const field of ['secrets', 'cache', 'mounts', 'volumes', 'devices', 'privileged', 'user']) {
  it(`J18 J19 ${field} is no field of a job`, async () => {
    const { outcome, sandbox } = await pen.run({ source: '', [field]: [] });
    expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
    expect(sandbox).toBeUndefined();
  });
}

it('J18 J19 without them the same job runs', async () => {
  expect((await pen.run({ source: '' })).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
