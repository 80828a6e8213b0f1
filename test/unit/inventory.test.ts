import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareInventories, ofInstances, takeInventory } from '../../ops/inventory.ts';

const UIDS = { first: 1_700_000, count: 10 };

test('an untouched place compares equal', () => {
  const place = { uids: UIDS, directories: [] };
  const own = (inventory: ReturnType<typeof takeInventory>) =>
    ofInstances({ ...inventory, processes: [], mounts: [] }, []);
  expect(compareInventories(own(takeInventory(place)), own(takeInventory(place)))).toEqual([]);
});

test('a file, a directory and a process that stay are named', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-inventory-'));
  const place = { uids: UIDS, directories: [directory] };
  const before = takeInventory(place);
  const child = spawn('/bin/sleep', ['60'], { uid: UIDS.first + 3, stdio: 'ignore' });
  await once(child, 'spawn');
  mkdirSync(join(directory, 'deep'));
  writeFileSync(join(directory, 'deep', 'left'), '');
  try {
    const left = compareInventories(before, takeInventory(place));
    expect(left).toContain(`left: processes: ${child.pid} sleep`);
    expect(left).toContain(`left: directories: ${directory}/deep/`);
    expect(left).toContain(`left: directories: ${directory}/deep/left file`);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(directory, { recursive: true });
  }
});

test('cgroups of other instances do not count', () => {
  const empty = { processes: [], mounts: [], directories: [], cgroups: [] as string[] };
  const after = { ...empty, cgroups: ['/sys/fs/cgroup/pids/bullpen/w-1/7', '/sys/fs/cgroup/pids/bullpen/w-11/7'] };
  expect(compareInventories(empty, ofInstances(after, ['w-1']))).toEqual([
    'left: cgroups: /sys/fs/cgroup/pids/bullpen/w-1/7',
  ]);
});
