// The commonest fact of a probe: root on the host gets somewhere, a job nowhere.

import { expect } from 'vitest';
import { type Bare, every, type HostilePen, onHost } from './harness.ts';

/** In the sandbox each attempt is answered by EPERM; on the host some are answered by anything but a lack of rights. */
export async function expectRefused(pen: HostilePen, program: string, as: Bare = 'root-apart'): Promise<void> {
  const outside = Object.values(await onHost(as, program));
  expect(
    outside.some((answer) => answer !== 'EPERM'),
    `control of ${program}: ${outside}`,
  ).toBe(true);
  const answers = await pen.ask(program);
  expect(answers).toEqual(every(answers, 'EPERM'));
}
