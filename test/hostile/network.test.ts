import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bare, bare, caseOf, HostilePen } from './harness.ts';

/** Group I: no way out to a network, and none in. What an egress relay would allow has no case: there is none. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const PRIVATE = { policy: { network: { loopback: 'private' } } };
const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('network.py', name, given, more);
const control = (as: Bare, name: string, given: object = {}) => bare(as, 'network.py', name, given);
const all = (answers: object, value: unknown) => Object.fromEntries(Object.keys(answers).map((key) => [key, value]));

describe('I: network', () => {
  it('I01 I03 I07 I25 nothing outside can be reached, and that shows at once', async () => {
    const { seconds, ...denied } = await probe('i01');
    expect(denied).toEqual(all(denied, 'EAFNOSUPPORT'));
    expect(seconds).toBeLessThan(1);
    const { seconds: own, ...unreachable } = await probe('i01', {}, PRIVATE);
    // A link-local address without its link is no address.
    expect(unreachable).toEqual({ ...all(unreachable, 'ENETUNREACH'), 'fe80::1': 'EINVAL' });
    expect(own).toBeLessThan(1);
  });

  it("I02 the host's own listeners hear nothing", async () => {
    const outside = await control('nobody', 'i02', pen.canaries.targets);
    expect(outside).toMatchObject({ '127.0.0.1': 'ok', '0.0.0.0': 'ok', [pen.canaries.targets.address]: 'ok' });
    expect(pen.canaries.heard.tcp).toBeGreaterThan(2);
    await pen.canaries.hush();
    const denied = await probe('i02', pen.canaries.targets);
    expect(denied).toEqual(all(denied, 'EAFNOSUPPORT'));
    const own = await probe('i02', pen.canaries.targets, PRIVATE);
    expect(own).toMatchObject({ '127.0.0.1': 'ECONNREFUSED', [pen.canaries.targets.address]: 'ENETUNREACH' });
    expect(Object.entries(own).filter(([name, answer]) => answer === 'ok' && !name.startsWith('udp'))).toEqual([]);
    expect(await pen.canaries.touched()).toEqual([]);
  });

  it('I05 no raw, packet or ping socket', async () => {
    expect(await control('root-apart', 'i05')).toMatchObject({ raw: 'ok', packet: 'ok' });
    const denied = await probe('i05');
    expect(denied).toEqual(all(denied, 'EAFNOSUPPORT'));
    for (const answer of Object.values(await probe('i05', {}, PRIVATE)))
      expect(['EPERM', 'EAFNOSUPPORT']).toContain(answer);
  });

  it('I06 no Unix socket of the host', async () => {
    expect(await control('nobody', 'i06', pen.canaries.targets)).toMatchObject({ canary: 'ok', abstract: 'ok' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([pen.canaries.heard.unix, pen.canaries.heard.abstract]).toEqual([1, 1]);
    await pen.canaries.hush();
    const { abstract, ...paths } = await probe('i06', pen.canaries.targets);
    expect(paths).toEqual(all(paths, 'ENOENT'));
    expect(['ECONNREFUSED', 'EPERM']).toContain(abstract);
    expect(await pen.canaries.touched()).toEqual([]);
  });

  it('I08 what would need a relay is refused by name', async () => {
    const open = [
      [{ egress: { default: 'allow' } }, 'policy.network.egress.default'],
      [{ egress: { default: 'deny', allow: [{ to: [{ cidr: '10.0.0.0/8' }] }] } }, 'policy.network.egress.allow'],
      [{ ingress: { default: 'allow' } }, 'policy.network.ingress.default'],
      [{ ingress: { default: 'deny', hostLoopback: 'allow' } }, 'policy.network.ingress.hostLoopback'],
    ] as const;
    for (const [network, field] of open) {
      const { outcome } = await pen.run({ source: '', policy: { network } });
      expect(outcome, field).toMatchObject({ kind: 'rejected', field, rule: 'not-enforceable' });
    }
  });

  it("I18 a server of a job's is heard by itself only", async () => {
    expect(await probe('i18')).toEqual({ '0.0.0.0': 'EAFNOSUPPORT', '::': 'EAFNOSUPPORT' });
    expect(await probe('i18', {}, PRIVATE)).toEqual({ '0.0.0.0': 'ok', '::': 'ok' });
    const serving = pen.run(caseOf('network.py', 'i18_serve', PRIVATE));
    await new Promise((resolve) => setTimeout(resolve, 700));
    for (const host of ['127.0.0.1', pen.canaries.targets.address]) {
      const answer = await new Promise((resolve) => {
        const socket = connect(18_081, host, () => resolve('connected'));
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      });
      expect(answer).toBe('ECONNREFUSED');
    }
    expect((await serving).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  });

  it('I19 its own network can not be changed', async () => {
    expect(Object.values(await control('root-apart', 'i19'))).toContain('ok');
    const answers = await probe('i19', {}, PRIVATE);
    for (const answer of Object.values(answers)) expect(['EPERM', 'ENOTTY']).toContain(answer);
  });

  it('I24 no program and no protocol is loaded by way of a socket', async () => {
    expect(await probe('i24', {}, PRIVATE)).toEqual({ ulp: 'EPERM', filter: 'EPERM' });
  });
});
