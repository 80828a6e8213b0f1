import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

const BASH = { runtime: 'bash' as const, source: 'true' };

it('K10 more than is allowed is refused, never lowered', async () => {
  for (const limit of ['memoryBytes', 'diskBytes']) {
    await refuse(pen, job(`,"policy":{"version":1,"limits":{"${limit}":1099511627776}}`), 'ceiling');
  }
  await refuse(pen, job(',"policy":{"version":1,"limits":{"wallTimeMs":86400000}}'), 'ceiling');
  await refuse(pen, job(',"policy":{"version":1,"limits":{"processes":65536}}'), 'ceiling');
  await refuse(pen, job(',"attempts":10'), 'ceiling');
});

it('K10 no name, path or word leads out of the sandbox', async () => {
  for (const containment of ['"none"', '"host"', '""', '[]', '["none","process"]', 'null', '["process","process"]']) {
    await refuse(pen, job(`,"policy":{"version":1,"containment":${containment}}`));
  }
  await refuse(pen, job(',"policy":{"name":"nobody-made-it"}'), 'unknown-policy');
  await refuse(pen, job(',"policy":{"name":"strict","version":1}'));
  await refuse(pen, job(',"policy":{"version":1,"filesystem":{"readwritePaths":["/"]}}'));
});

it('K11 a layer or a backend that is not here is said to be so, and nothing runs', async () => {
  for (const require of ['vm', 'gvisor']) {
    const { outcome } = await pen.run({ ...BASH, policy: { require: [require] } });
    expect(outcome).toMatchObject({ kind: 'unavailable', layer: require });
  }
  for (const containment of ['microvm', 'oci', 'lxc', 'bubblewrap']) {
    const { outcome, stdout } = await pen.run({ ...BASH, policy: { containment } });
    expect([outcome, stdout]).toMatchObject([{ kind: 'unavailable', layer: containment }, undefined]);
  }
});

it('K11 another runs only where the policy names it, and the result names what ran', async () => {
  const { outcome, sandbox } = await pen.run({ ...BASH, policy: { containment: ['microvm', 'process'] } });
  expect([outcome.kind, sandbox?.backend]).toEqual(['exited', 'process']);
});
