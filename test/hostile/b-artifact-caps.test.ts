import { expect, it } from 'vitest';
import { entriesOf, HostilePen, MIB } from './harness.ts';

/** Artifacts are bounded in number, bytes, depth and names; a bad one is an entry with its reason, and costs no other. */
const pen = await HostilePen.ofFile();
const leave = (given: object, artifacts: string[], limits: Record<string, number> = {}) =>
  pen.attack('b23-caps.py', { given, artifacts, limits });

it('B19 a sparse file counts by what it seems', async () => {
  const result = await pen.attack('b19-sparse.py', { artifacts: ['s*'] });
  expect(JSON.parse(result.stdout?.text ?? '')).toEqual({ blocks: 0 });
  expect(entriesOf(result)).toEqual({ small: '\0'.repeat(1024), sparse: 'too-large' });
});

it('B23 no more entries than allowed: the first in the order of their names', async () => {
  const result = await leave({ files: 30 }, ['f*'], { artifacts: 10 });
  expect(Object.keys(entriesOf(result))).toEqual(Array.from({ length: 10 }, (_, index) => `f00${index}`));
  expect(result.artifactsTruncated).toBe(true);
  const all = await leave({ files: 30 }, ['f*'], { artifacts: 30 });
  expect([all.artifacts.length, all.artifactsTruncated]).toEqual([30, false]);
});

it('B24 no more bytes than allowed: what does not fit is an entry, and smaller ones after it are taken', async () => {
  const sizes = { a: 600, b: 600, c: 400, d: 1 };
  const result = await leave({ sizes }, ['?'], { artifactBytes: 1_000 });
  expect(entriesOf(result)).toEqual({ a: 'x'.repeat(600), b: 'too-large', c: 'x'.repeat(400), d: 'too-large' });
  expect(result.artifactsTruncated).toBe(true);
  const all = await leave({ sizes }, ['?'], { artifactBytes: 1_601 });
  expect([Object.values(entriesOf(all)).includes('too-large'), all.artifactsTruncated]).toEqual([false, false]);
});

it('B25 no deeper than 64 directories, no longer than a path can be', async () => {
  const chain = (depth: number) => `${'d/'.repeat(depth)}file`;
  const deep = entriesOf(await leave({ depths: [64, 65] }, ['**']));
  expect(deep[chain(64)]).toBe('x');
  expect(deep[chain(65)]).toBeUndefined();
  expect(Object.entries(deep).filter(([, verdict]) => verdict === 'too-deep')).toEqual([
    [chain(65).slice(0, -5), 'too-deep'],
  ]);
  const [fits, long] = ['n'.repeat(250), 'm'.repeat(255)];
  const names = entriesOf(
    await leave(
      {
        names: [
          [fits, 16],
          [long, 16],
        ],
      },
      ['n*/**', 'm*/**'],
    ),
  );
  expect(names[`${`${fits}/`.repeat(16)}file`]).toBe('x');
  expect(Object.values(names).sort()).toEqual(['too-deep', 'x']);
});

it('B26 a bad artifact costs no other', async () => {
  const result = await leave({ bad: true }, ['[a-z]*-*', 'f*', 'h-shut/*']);
  expect(entriesOf(result)).toEqual({
    'a-good': 'good',
    'b-link': 'symlink',
    'c-pipe': 'not-regular',
    'd-socket': 'not-regular',
    'e-one': 'hardlink',
    'e-two': 'hardlink',
    'f\\x01': 'bad-name',
    'g-sparse': 'too-large',
    'h-shut/file': 'x',
    'z-good': 'good',
  });
  expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

it('B20 a result is not much larger than what it holds', async () => {
  const result = await pen.attack('b20-swelling.py', { given: { megabytes: 1, files: 8 }, artifacts: ['out/*'] });
  expect(result.artifacts).toHaveLength(8);
  expect(JSON.stringify(result).length).toBeLessThan(2 * 8 * MIB);
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
  const given = { megabytes: 16, files: 4, streams: true };
  const result = await pen.attack('b20-swelling.py', { given, artifacts: ['out/*'], limits });
  expect([result.outcome.kind, result.artifacts.length, result.artifactsTruncated]).toEqual(['exited', 4, false]);
  for (const one of [result.stdout, result.stderr, ...result.artifacts]) {
    expect(one).toMatchObject({ bytes: 16 * MIB, base64: expect.any(String) });
  }
  expect(JSON.stringify(result).length).toBeLessThan(1.4 * 96 * MIB);
});
