import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };

it('I01 I03 I07 I25 nothing outside can be reached, and that shows at once', async () => {
  const here = keysWith(await onHost('root-apart', 'i01-outside.py', { here: true }), 'ok');
  for (const host of ['169.254.169.254', '168.63.129.16', '198.51.100.1', 'fd00:ec2::254', '2001:db8::1']) {
    expect(here).toContain(host);
  }
  const { seconds, ...denied } = await pen.ask('i01-outside.py');
  expect(denied).toEqual(every(denied, 'EAFNOSUPPORT'));
  const { seconds: own, ...unreachable } = await pen.ask('i01-outside.py', {}, PRIVATE);
  // A link-local address without its link is no address.
  expect(unreachable).toEqual({ ...every(unreachable, 'ENETUNREACH'), 'fe80::1': 'EINVAL' });
  // Each attempt alone would wait two seconds.
  expect(seconds).toBeLessThan(2);
  expect(own).toBeLessThan(2);
});
