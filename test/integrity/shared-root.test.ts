import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

/** What every job of the built-in runtimes sees of the host. */
const SHARED = '/usr';
const PROGRAM = fileURLToPath(new URL('integrity.py', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'bullpen-integrity-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const read = (...args: string[]) =>
  execFileSync('/usr/bin/python3', ['-B', PROGRAM, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** Lines of a manifest that another doesn't have, both ways. */
function differences(one: string, other: string): string[] {
  const [left, right] = [one, other].map((file) => new Set(readFileSync(file, 'latin1').split('\n')));
  return [...(left ?? []), ...(right ?? [])].filter((line) => !(left?.has(line) && right?.has(line)));
}

it('J11 after all attacks the files that jobs share are as before, and in memory as on the disk', () => {
  const { BULLPEN_MANIFEST: before = '', BULLPEN_MANIFEST_SEED: seed = '' } = process.env;
  expect(before, 'a manifest from before the attacks: `npm test -- hostile` takes it').not.toBe('');
  const after = join(directory, 'after');
  read('manifest', SHARED, seed, after);
  expect(differences(before, after)).toEqual([]);
  expect(read('compare', SHARED, seed)).toBe('');
});

it('J11 a file that is changed is noticed, though its size and its date are the same', () => {
  const place = join(directory, 'place');
  mkdirSync(place);
  writeFileSync(join(place, 'a'), 'whole');
  const [before, after] = [join(directory, 'one'), join(directory, 'two')];
  read('manifest', place, '1', before);
  execFileSync('/bin/sh', ['-c', 'touch -r a ../date; printf WHOLE > a; touch -r ../date a'], { cwd: place });
  read('manifest', place, '1', after);
  expect(differences(before, after).length).toBeGreaterThan(1);
});

it('J11 a file whose pages in memory are not those of the disk is noticed', () => {
  // A disk that changes beneath its file system: the pages in memory are then what was there before.
  const script = `
    truncate -s 8M image && mkfs.ext4 -q -b 4096 image && mkdir disk && mount -o loop image disk
    printf '%8192s' bullpen-integrity | tr ' ' x > disk/file && sync && umount disk
    mount -o loop,ro image disk && cat disk/file > /dev/null
    at=$(grep -abo bullpen-integrity image | tail -n 1 | cut -d : -f 1)
    printf tampered | dd of=image bs=1 seek="$at" conv=notrunc status=none && sync`;
  try {
    execFileSync('/bin/sh', ['-ec', script], { cwd: directory });
    expect(read('compare', join(directory, 'disk'), '1')).toBe(`${join(directory, 'disk', 'file')}\n`);
  } finally {
    execFileSync('/bin/sh', ['-c', 'umount disk'], { cwd: directory });
  }
});
