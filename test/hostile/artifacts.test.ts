import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../schemas/types.ts';
import { caseOf, HostilePen, type Limits, MIB } from './harness.ts';

/** Group B: the worker's own handling of files, in and out. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

interface More {
  given?: object;
  limits?: Limits;
}
const leave = (name: string, artifacts: string[], { given = pen.canaries.targets, limits = {} }: More = {}) =>
  pen.run(caseOf('artifacts.py', name, { given, artifacts, limits }));

/** Path to reason, or to text. */
function entries({ artifacts }: Result): Record<string, unknown> {
  return Object.fromEntries(artifacts.map((one) => ['path' in one ? one.path : '', verdictOf(one)]));
}

function verdictOf(one: object): unknown {
  if ('rejected' in one) return one.rejected;
  return 'text' in one ? one.text : 'base64';
}

describe('B: artifacts and inputs', () => {
  it('B01 a symbolic link is not followed, wherever it leads', async () => {
    const links = ['rootOnly', 'worldReadable', 'passwd', 'directory', 'magic', 'inner', 'near'];
    const patterns = [...links, 'directory/*', 'directory/world-readable', 'inner/file', 'inner/*', 'real/file'];
    const result = await leave('b01', patterns);
    const rejected = Object.fromEntries(links.map((link) => [link, 'symlink']));
    // The control: the same file under its own name is taken.
    expect(entries(result)).toEqual({ ...rejected, 'real/file': 'x' });
    expect(result.outcome.kind).toBe('exited');
  });

  it('B02 devices are rejected without a hang', async () => {
    const began = Date.now();
    expect(entries(await leave('b02', ['*o*', '*n*']))).toMatchObject({ zero: 'symlink', urandom: 'symlink' });
    expect(Date.now() - began).toBeLessThan(3_000);
  });

  it('B03 a pipe without a writer is rejected within a second', async () => {
    const result = await leave('b03', ['fifo']);
    expect(entries(result)).toEqual({ fifo: 'not-regular' });
    expect(result.timing?.collectUs).toBeLessThan(1_000_000);
  });

  it('B04 sockets, directories and second names are rejected', async () => {
    const expected = { socket: 'not-regular', folder: 'not-regular', one: 'hardlink', two: 'hardlink' };
    expect(entries(await leave('b04', ['socket', 'folder', 'one', 'two']))).toEqual(expected);
  });

  it('B06 nothing is read while anything can still change it', async () => {
    for (let round = 0; round < 8; round += 1) {
      const result = await leave('b06', ['out']);
      const [verdict] = Object.values(entries(result));
      expect(['symlink', 'hardlink', 'mine', undefined]).toContain(verdict);
      expect(JSON.stringify(result.artifacts)).not.toContain('root:');
    }
  });

  it('B08 a build plants nothing that the run would write through', async () => {
    const cc1 = '#!/bin/sh\nfor f in main.c data exec stdin main; do rm -f $f; ln -s "$TARGET" $f; done\nexit 1\n';
    const result = await pen.run({
      runtime: 'c',
      source: 'int main(void) { return 0; }',
      env: { GCC_EXEC_PREFIX: '/work/tool/', TARGET: pen.canaries.targets.rootOnly },
      files: [{ path: 'tool/cc1', text: cc1, executable: true }],
      artifacts: ['*'],
    });
    // It ran no program of the job: what it made is there, and no link.
    expect([result.outcome.kind, entries(result)['main']]).toEqual(['exited', 'base64']);
    expect(Object.values(entries(result)).filter((verdict) => verdict === 'symlink')).toEqual([]);
    expect(await pen.canaries.touched()).toEqual([]);
  });

  it('B09 owner and mode of what a link names stay as they are', async () => {
    const before = [statSync(pen.canaries.targets.rootOnly), statSync('/etc')].map(({ uid, mode }) => [uid, mode]);
    expect(await pen.probe('artifacts.py', 'b09', pen.canaries.targets, { artifacts: ['**'] })).toEqual({
      chown: 'ENOENT',
      chmod: 'ENOENT',
    });
    const after = [statSync(pen.canaries.targets.rootOnly), statSync('/etc')].map(({ uid, mode }) => [uid, mode]);
    expect(after).toEqual(before);
  });

  it('B10 paths that lead out are refused before anything is done', async () => {
    const bad = [
      '../../x',
      '/abs',
      'a/../../b',
      'a\0b',
      '',
      '.',
      'x'.repeat(5000),
      'C:\\x',
      'a/',
      'a//b',
      './a',
      'a\nb',
    ];
    for (const path of bad) {
      const { outcome, sandbox } = await pen.run({ source: '', files: [{ path, text: 'x' }] });
      expect(outcome, path.slice(0, 20)).toMatchObject({ kind: 'rejected', field: 'files[0].path' });
      expect(sandbox).toBeUndefined();
    }
    expect((await pen.run({ source: 'open("a/b")', files: [{ path: 'a/b', text: 'x' }] })).outcome).toMatchObject({
      exitCode: 0,
    });
  });

  it('B11 two inputs at one place are refused', async () => {
    const pairs = [
      ['a', 'a'],
      ['a', 'A'],
      ['\u{e9}', 'e\u{301}'],
      ['d', 'd/f'],
      ['D/f', 'd'],
    ];
    for (const [one = '', other = ''] of pairs) {
      const files = [one, other].map((path) => ({ path, text: 'x' }));
      const { outcome } = await pen.run({ source: '', files });
      expect(outcome, `${one} ${other}`).toMatchObject({ kind: 'rejected', rule: 'duplicate-path' });
    }
    for (const path of ['main.py', 'MAIN.PY', 'main.py/x']) {
      const { outcome } = await pen.run({ source: '', files: [{ path, text: 'x' }] });
      expect(outcome, path).toMatchObject({ kind: 'rejected', rule: 'reserved-path' });
    }
  });

  it('B12 archives are no field of a job', async () => {
    for (const field of ['archive', 'tar', 'zip']) {
      const { outcome } = await pen.run({ source: '', [field]: 'x' });
      expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
    }
  });

  it('B13 inputs are bounded by their bytes, and nothing unpacks', async () => {
    const before = process.memoryUsage().rss;
    const zeros = Buffer.alloc(17 * MIB).toString('base64');
    const { outcome } = await pen.run({ source: '', files: [{ path: 'bomb', base64: zeros }] });
    expect(outcome).toMatchObject({ kind: 'rejected', field: 'files[0].base64' });
    const packed = { path: 'bomb', base64: zeros.slice(0, 4096), encoding: 'gzip' };
    expect((await pen.run({ source: '', files: [packed] as never })).outcome).toMatchObject({ kind: 'rejected' });
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
  });

  it('B15 a directory of 150,000 files is cut at the limit, in time', async () => {
    const limits = { inodes: 160_000, wallTimeMs: 20_000, cpuTimeMs: 20_000, memoryBytes: 1024 * MIB };
    const result = await leave('b15', ['w/*', '**/*'], { given: { files: 150_000 }, limits });
    expect([result.artifacts.length, result.artifactsTruncated]).toEqual([64, true]);
    expect(result.timing?.collectUs).toBeLessThan(10_000_000);
  });

  it('B17 modes and attributes do not matter, and shut directories are cleaned up', async () => {
    const result = await leave('b17', ['setuid', 'closed', 'shut/file']);
    expect(entries(result)).toEqual({ setuid: 'x', closed: 'x', 'shut/file': 'x' });
    expect(JSON.parse(result.stdout?.text ?? '')).toEqual({ chattr: 'ENOTTY', xattr: 'ENOTSUP' });
  });

  it('B18 names that can not be shown are escaped and rejected', async () => {
    const found = entries(await leave('b18', ['[!mp]*']));
    expect(found).toMatchObject({ '\\xff\\xfe': 'bad-name', 'a\\x0ab': 'bad-name', 'esc\\x1b[0m': 'bad-name' });
    expect(found).toMatchObject({ '<script>': 'x', '=cmd|x': 'x', ['n'.repeat(255)]: 'x' });
    expect(Object.keys(found)).toHaveLength(8);
  });

  it('B19 a sparse file counts by what it seems', async () => {
    expect(entries(await leave('b19', ['sparse']))).toEqual({ sparse: 'too-large' });
  });

  it('B20 a result is not much larger than what it holds', async () => {
    const megabytes = 8;
    const execution = pen.start(caseOf('artifacts.py', 'b20', { given: { megabytes }, artifacts: ['out/*'] }));
    const result = await execution.wait();
    expect(result.artifacts).toHaveLength(megabytes);
    expect(JSON.stringify(result).length).toBeLessThan(2 * megabytes * MIB);
  });

  it('B22 at the ceilings a result still comes out, and is not much larger than what it holds', async () => {
    const limits = {
      outputBytes: 16 * MIB,
      diskBytes: 256 * MIB,
      memoryBytes: 512 * MIB,
      artifactBytes: 64 * MIB,
      wallTimeMs: 60_000,
      cpuTimeMs: 60_000,
    };
    const result = await leave('b22', ['out/*'], { given: { megabytes: 16, files: 4 }, limits });
    expect([result.outcome.kind, result.artifacts.length, result.artifactsTruncated]).toEqual(['exited', 4, false]);
    for (const one of [result.stdout, result.stderr, ...result.artifacts]) {
      expect(one).toMatchObject({ bytes: 16 * MIB, base64: expect.any(String) });
    }
    expect(JSON.stringify(result).length).toBeLessThan(1.4 * 96 * MIB);
  });

  it('B21 patterns that explode are matched in time', async () => {
    const bombs = [
      (i: number) => `w/${'*1'.repeat(500)}${i}`,
      (i: number) => `w/${'?*'.repeat(500)}${i}`,
      (i: number) => `**/${'[!b]*'.repeat(180)}q${i}`,
    ];
    for (const bomb of bombs) {
      const patterns = Array.from({ length: 64 }, (_, index) => bomb(index));
      const result = await leave('b15', patterns, { given: { files: 5_000 } });
      expect(result.timing?.collectUs).toBeLessThan(5_000_000);
    }
  });
});
