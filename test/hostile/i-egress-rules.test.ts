import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

/** What would need a relay: the policy, and the field that is named. */
const OPEN = [
  [{ egress: { default: 'allow' } }, 'policy.network.egress.default'],
  [{ egress: { default: 'deny', allow: [{ to: [{ cidr: '10.0.0.0/8' }] }] } }, 'policy.network.egress.allow'],
  [{ ingress: { default: 'allow' } }, 'policy.network.ingress.default'],
  [{ ingress: { default: 'deny', hostLoopback: 'allow' } }, 'policy.network.ingress.hostLoopback'],
] as const;

for (const [network, field] of OPEN) {
  it(`I08 what nothing here can enforce is refused by name: ${field}`, async () => {
    const { outcome, sandbox } = await pen.run({ source: '', policy: { network } });
    expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'not-enforceable' });
    expect(sandbox).toBeUndefined();
  });
}

it('I08 the same words that deny are fine', async () => {
  const network = { egress: { default: 'deny', allow: [] }, ingress: { default: 'deny', hostLoopback: 'deny' } };
  expect((await pen.run({ source: '', policy: { network } })).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
