import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HostilePen, keysWith, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const ABOVE = '../../../../../../../../etc/shadow';
const OUTSIDE = { here: 'here', there: 'there', shared: 'shared', program: 'probe.py', above: ABOVE };
const INSIDE = { here: '/work', there: '/tmp', shared: '/usr', program: '/usr/bin/env', above: ABOVE };

it('F29 nothing is moved, linked, cut or reopened across what is kept apart', async () => {
  const outside = await onHost('root', 'f29-landlock-corners.py', OUTSIDE);
  const free = ['link out', 'rename out', 'truncate', 'reopen', 'disconnected'];
  expect(outside).toMatchObject(Object.fromEntries(free.map((name) => [name, 'ok'])));
  const answers = await pen.ask('f29-landlock-corners.py', INSIDE);
  expect(answers).toMatchObject({ 'refer inside': 'ok', 'rename across': 'EXDEV', 'link across': 'EXDEV' });
  expect(keysWith(answers, 'ok')).toEqual(['refer inside']);
  expect(existsSync('/usr/f')).toBe(false);
});
