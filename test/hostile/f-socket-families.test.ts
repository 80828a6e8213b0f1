import { beforeAll, expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };
const [UNIX, INET, INET6, NETLINK] = [1, 2, 10, 16];
/** What root can make on a host: families that a kernel may lack are apart. */
const COMMON = { PACKET: 17, VSOCK: 40, XDP: 44 };
const RARE = { ALG: 38, KEY: 15, RDS: 21, TIPC: 30, CAN: 29, SMC: 43, MCTP: 45 };

let outside: number[];
beforeAll(async () => {
  outside = (await onHost('root-apart', 'f16-families.py'))['families'] as number[];
});

it('F16 one family of sockets, and three more with a network of its own', async () => {
  for (const family of [UNIX, INET, INET6, NETLINK]) expect(outside).toContain(family);
  expect((await pen.ask('f16-families.py'))['families']).toEqual([UNIX]);
  const { families, made } = (await pen.ask('f16-families.py', {}, PRIVATE)) as { families: number[]; made: string[] };
  expect(families).toEqual([UNIX, INET, INET6, NETLINK]);
  expect(made.filter((one) => /^socket (2|10) (3|4|5|6|10)/.test(one))).toEqual([]);
  expect(made.filter((one) => /^socket 16/.test(one)).every((one) => one.endsWith(' 0'))).toBe(true);
});

for (const [name, family] of Object.entries({ ...COMMON, ...RARE })) {
  it(`F16 family ${name}`, async (context) => {
    if (name in RARE && !outside.includes(family)) context.skip();
    expect(outside).toContain(family);
    for (const more of [{}, PRIVATE]) {
      expect((await pen.ask('f16-families.py', {}, more))['families']).not.toContain(family);
    }
  });
}
