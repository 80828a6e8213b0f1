import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('G01 nothing is typed for anyone', async () => {
  const outside = await onHost('nobody', 'g01-typing.py', { terminal: true });
  // Where typing for others is off for everybody, the kernel says EIO: the terminal was reached.
  expect(['ok', 'EIO']).toContain(outside['0']);
  const answers = await pen.ask('g01-typing.py');
  expect(answers).toEqual(every(answers, 'ENOTTY'));
});

it('G02 there is no terminal to take', async () => {
  const outside = await onHost('nobody', 'g02-terminal.py', { terminal: true });
  expect(outside).toEqual({ ctty: 'ok', tty: 'ok', tcsetpgrp: 'ok', ptmx: 'ok', console: 'ok' });
  const none = { ctty: 'ENOTTY', tty: 'ENOENT', tcsetpgrp: 'ENOTTY', ptmx: 'ENOENT', console: 'ENOENT' };
  expect(await pen.ask('g02-terminal.py')).toEqual(none);
});
