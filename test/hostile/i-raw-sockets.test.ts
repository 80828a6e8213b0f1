import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };

it('I05 no raw, packet or ping socket', async () => {
  expect(await onHost('root-apart', 'i05-raw-sockets.py')).toMatchObject({ raw: 'ok', packet: 'ok' });
  const denied = await pen.ask('i05-raw-sockets.py');
  expect(denied).toEqual(every(denied, 'EAFNOSUPPORT'));
  for (const answer of Object.values(await pen.ask('i05-raw-sockets.py', {}, PRIVATE))) {
    expect(['EPERM', 'EAFNOSUPPORT']).toContain(answer);
  }
});
