import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

for (const syscalls of ['strict', 'compatible']) {
  it(`H17 no locked and no huge pages: ${syscalls}`, async () => {
    expect(await onHost('root', 'h17-locked-pages.py')).toMatchObject({ mlockall: 'ok', mlock: 'ok', locked: 'ok' });
    const { mlockall, mlock, locked, ...huge } = await pen.ask('h17-locked-pages.py', {}, { policy: { syscalls } });
    for (const answer of [mlockall, mlock, locked]) expect(['EPERM', 'ENOMEM', 'EAGAIN']).toContain(answer);
    expect(huge).toEqual({ huge: 'ENOMEM', 'huge memfd': 'EINVAL' });
  });
}
