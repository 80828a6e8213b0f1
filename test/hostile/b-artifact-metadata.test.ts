import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { entriesOf, HostilePen, onHost } from './harness.ts';

/** Of an artifact only its bytes are taken; nothing that it leads to gets another owner or mode. */
const pen = await HostilePen.ofFile();

it('B09 owner and mode of what a link names stay as they are', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'bullpen-hostile-owned-'));
  const [rootOnly, worldReadable] = [join(scratch, 'one'), join(scratch, 'two')];
  for (const path of [rootOnly, worldReadable]) writeFileSync(path, '', { mode: 0o600 });
  expect(await onHost('root', 'b09-ownership.py', { rootOnly, worldReadable })).toEqual({ chown: 'ok', chmod: 'ok' });
  expect([statSync(rootOnly).uid, statSync(worldReadable).mode & 0o777]).toEqual([1000, 0o777]);
  rmSync(scratch, { recursive: true });

  const now = () => [pen.canaries.targets.rootOnly, '/etc'].map((path) => [statSync(path).uid, statSync(path).mode]);
  const before = now();
  const answers = await pen.ask('b09-ownership.py', pen.canaries.targets, { artifacts: ['**'] });
  expect(answers).toEqual({ chown: 'ENOENT', chmod: 'ENOENT' });
  expect(now()).toEqual(before);
});

it('B17 modes, lists and attributes do not matter, and shut directories are cleaned up', async () => {
  const outside = await onHost('root', 'b17-metadata.py', { undo: true });
  // The flag holds even against root, until it is taken off.
  expect(outside).toEqual({ acl: 'ok', xattr: 'ok', capability: 'ok', chattr: 'ok', removed: 'EPERM' });
  const artifacts = ['setuid', 'listed', 'closed', 'shut/file'];
  const result = await pen.attack('b17-metadata.py', { artifacts });
  expect(entriesOf(result)).toEqual({ setuid: 'x', listed: 'x', closed: 'x', 'shut/file': 'x' });
  for (const one of result.artifacts) expect(Object.keys(one).sort()).toEqual(['bytes', 'path', 'sha256', 'text']);
  expect(JSON.parse(result.stdout?.text ?? '')).toEqual({
    acl: 'ENOTSUP',
    xattr: 'ENOTSUP',
    capability: 'ENOTSUP',
    chattr: 'ENOTTY',
  });
});
