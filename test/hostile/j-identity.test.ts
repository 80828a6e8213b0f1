import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

interface Identity {
  random: unknown[];
  layout: string[];
  hash: number;
}
type Answers = { self: Identity; forks: [Identity, Identity] };

it('J15 J16 two jobs have nothing random in common', async () => {
  const [one, two] = (await Promise.all([
    pen.ask('j15-identity.py'),
    pen.ask('j15-identity.py'),
  ])) as unknown as Answers[];
  for (const name of ['random', 'layout', 'hash'] as const) expect(one?.self[name]).not.toEqual(two?.self[name]);
  // The control: two forks of one process, which is what a warm interpreter would be, do have it in common.
  const { forks } = (await onHost('nobody', 'j15-identity.py')) as unknown as Answers;
  expect([forks[0].layout, forks[0].hash]).toEqual([forks[1].layout, forks[1].hash]);
  expect(forks[0].random[0]).not.toBe(forks[1].random[0]);
});
