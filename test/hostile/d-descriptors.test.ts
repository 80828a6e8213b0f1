import { opendirSync, openSync, watch } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

/** A program gets three pipes, whatever the worker holds open. */
const pen = await HostilePen.ofFile();

// Beside the canaries' listeners, Redis connection and event loop: directories, a watch, a file open for writing.
const directory = opendirSync('/');
const watcher = watch('/etc');
openSync('/dev/null', 'w');
afterAll(() => {
  directory.closeSync();
  watcher.close();
});

it('D01 three descriptors, whatever the worker holds open', async () => {
  const limits = { openFiles: 4096 };
  const outside = await onHost('nobody', 'd01-descriptors.py', { hold: 3 });
  const held = [0, 1, 2, 3, 4, 5];
  expect(outside).toEqual({ open: expect.arrayContaining(held), listed: expect.arrayContaining(held) });
  expect(await pen.ask('d01-descriptors.py', { hold: 3 }, { limits })).toEqual({ open: held, listed: held });
  expect(await pen.ask('d01-descriptors.py', {}, { limits })).toEqual({ open: [0, 1, 2], listed: [0, 1, 2] });
});

it('D02 standard streams are pipes', async () => {
  const outside = await onHost('nobody', 'd02-streams.py', { terminal: true });
  expect(outside).toMatchObject({ 'tty 0': true, 'socket 2': 'ok' });
  expect(await pen.ask('d02-streams.py')).toEqual({
    'kind 0': 'pipe',
    'kind 1': 'pipe',
    'kind 2': 'pipe',
    'tty 0': false,
    'tty 1': false,
    'tty 2': false,
    'socket 0': 'ENOTSOCK',
    'socket 1': 'ENOTSOCK',
    'socket 2': 'ENOTSOCK',
  });
});

it('D10 stdin can carry no descriptor', async () => {
  expect(await onHost('nobody', 'd10-receive.py', { socket: true })).toEqual({ receive: 'ok' });
  expect(await pen.ask('d10-receive.py')).toEqual({ receive: 'ENOTSOCK' });
});
