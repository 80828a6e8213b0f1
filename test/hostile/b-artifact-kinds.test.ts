import { expect, it } from 'vitest';
import { entriesOf, HostilePen, onHost } from './harness.ts';

/** Artifacts that are no files. */
const pen = await HostilePen.ofFile();

it('B02 devices are rejected without a hang', async () => {
  const followed = await onHost('root', 'b02-endless.py', { follow: true });
  expect(followed).toEqual({ zero: 64 << 20, urandom: 64 << 20, device: 'ok' });
  const result = await pen.attack('b02-endless.py', { artifacts: ['[uz]*'] });
  expect(entriesOf(result)).toEqual({ zero: 'symlink', urandom: 'symlink' });
  expect(JSON.parse(result.stdout?.text ?? '')).toEqual({ device: 'EPERM' });
  expect(result.timing?.collectUs).toBeLessThan(1_000_000);
});

it('B03 a pipe without a writer is rejected within a second', async () => {
  // The control: whoever opens it waits until an alarm ends the wait.
  expect(await onHost('nobody', 'b03-pipe.py', { follow: true })).toEqual({ read: '1014' });
  const result = await pen.attack('b03-pipe.py', { artifacts: ['fifo'] });
  expect(entriesOf(result)).toEqual({ fifo: 'not-regular' });
  expect(result.timing?.collectUs).toBeLessThan(1_000_000);
});

it('B04 sockets, directories and second names are rejected', async () => {
  const { secret, targets } = pen.canaries;
  expect(await onHost('root', 'b04-not-files.py', { steal: targets.rootOnly })).toEqual({ stolen: secret });
  const result = await pen.attack('b04-not-files.py', { artifacts: ['socket', 'folder', 'one', 'two'] });
  expect(entriesOf(result)).toEqual({
    socket: 'not-regular',
    folder: 'not-regular',
    one: 'hardlink',
    two: 'hardlink',
  });
});

it('B18 names that can not be shown are escaped and rejected', async () => {
  const found = entriesOf(await pen.attack('b18-names.py', { artifacts: ['[!mp]*'] }));
  expect(found).toMatchObject({ '\\xff\\xfe': 'bad-name', 'a\\x0ab': 'bad-name', 'esc\\x1b[0m': 'bad-name' });
  expect(found).toMatchObject({ '<script>': 'x', '=cmd|x': 'x', ['n'.repeat(255)]: 'x' });
  expect(Object.keys(found)).toHaveLength(8);
});
