import { expect, it } from 'vitest';
import { entriesOf, HostilePen, onHost } from './harness.ts';

/** Links among artifacts: none is followed, at no moment. */
const pen = await HostilePen.ofFile();

it('B01 a symbolic link is not followed, wherever it leads', async () => {
  const { secret, targets } = pen.canaries;
  const followed = await onHost('root', 'b01-links.py', { ...targets, follow: true });
  const stolen = { rootOnly: secret, worldReadable: secret, 'directory/world-readable': secret, magic: secret };
  expect(followed).toEqual({ ...stolen, passwd: expect.stringContaining('root:'), 'inner/file': 'x', near: 'x' });

  const links = ['rootOnly', 'worldReadable', 'passwd', 'directory', 'magic', 'inner', 'near'];
  const patterns = [...links, 'directory/*', 'directory/world-readable', 'inner/file', 'inner/*', 'real/file'];
  const result = await pen.attack('b01-links.py', { given: targets, artifacts: patterns });
  const rejected = Object.fromEntries(links.map((link) => [link, 'symlink']));
  // The same file under its own name is taken.
  expect(entriesOf(result)).toEqual({ ...rejected, 'real/file': 'x' });
  expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

it('B06 nothing is read while anything can still change it', async () => {
  // The control: who looks and then opens loses the race, while it lasts.
  const naive = await onHost('root-apart', 'b06-swap.py', { ...pen.canaries.targets, rounds: 1_000_000 });
  expect(naive).toEqual({ lost: true });
  for (let round = 0; round < 8; round += 1) {
    const result = await pen.attack('b06-swap.py', { given: pen.canaries.targets, artifacts: ['out'] });
    const [verdict] = Object.values(entriesOf(result));
    expect(['symlink', 'hardlink', 'mine', undefined]).toContain(verdict);
  }
});
