import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

const BASH = { runtime: 'bash' as const, source: 'echo $#' };
const WORDS: [string, string[]][] = [
  ['one word of 256 KiB', ['x'.repeat(262_144)]],
  ['2 MB of words', Array.from({ length: 20 }, () => 'x'.repeat(100_000))],
  ['100,000 words', Array(100_000).fill('x')],
];

for (const [name, words] of WORDS) {
  it(`H15 too many words are refused: ${name}`, async () => {
    expect((await pen.run({ ...BASH, args: words })).outcome).toMatchObject({ kind: 'rejected' });
  });
}

it('H15 as many as are allowed arrive', async () => {
  const args = Array.from({ length: 10 }, () => '\u0001'.repeat(100_000));
  const { outcome, stdout } = await pen.run({ ...BASH, args });
  expect([outcome, stdout?.text]).toEqual([{ kind: 'exited', exitCode: 0, phase: 'run' }, '10\n']);
});

it('H15 what a job itself says too much to a program is told to the job', async () => {
  const { outcome } = await pen.run({ runtime: 'bash', source: '/bin/true $(seq 400000)' });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 126 });
});
