import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

/** Inputs whose names lead elsewhere, or meet. */
const pen = await HostilePen.ofFile();
const withFiles = (paths: string[], source = '') =>
  pen.run({ source, files: paths.map((path) => ({ path, text: 'x' })) });

it('B10 paths that lead out are refused before anything is done', async () => {
  const long = 'x'.repeat(5000);
  const bad = ['../../x', '/abs', 'a/../../b', 'a\0b', '', '.', long, 'C:\\x', 'a/', 'a//b', './a', 'a\nb'];
  for (const path of bad) {
    const { outcome, sandbox } = await withFiles([path]);
    expect(outcome, path.slice(0, 20)).toMatchObject({ kind: 'rejected', field: 'files[0].path' });
    expect(sandbox).toBeUndefined();
  }
  expect((await withFiles(['a/b'], 'open("a/b")')).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

it('B11 two inputs at one place are refused', async () => {
  const pairs = [
    ['a', 'a'],
    ['a', 'A'],
    ['\u{e9}', 'e\u{301}'],
    ['d', 'd/f'],
    ['D/f', 'd'],
  ];
  for (const pair of pairs) {
    const { outcome, sandbox } = await withFiles(pair);
    expect(outcome, pair.join()).toMatchObject({ kind: 'rejected', rule: 'duplicate-path' });
    expect(sandbox).toBeUndefined();
  }
  for (const path of ['main.py', 'MAIN.PY', 'main.py/x']) {
    expect((await withFiles([path])).outcome, path).toMatchObject({ kind: 'rejected', rule: 'reserved-path' });
  }
  const apart = await withFiles(['a', 'b', 'd/f', 'd/g', 'main.txt'], 'open("d/g"), open("main.txt")');
  expect(apart.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
