import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answers, type Bare, bare, HostilePen } from './harness.ts';

/** Groups C and D: what a program sees of the kernel's file systems, and what it inherits. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('inside.py', name, given, more);
const control = (as: Bare, name: string, given: object = {}) => bare(as, 'inside.py', name, given);
const all = (answers: object, value: unknown) => Object.fromEntries(Object.keys(answers).map((key) => [key, value]));
const thatAnswer = (answers: Answers, value: unknown) => Object.keys(answers).filter((key) => answers[key] === value);

describe('C: /proc, /sys, /dev', () => {
  it('C01 only its own processes are there', async () => {
    expect(await control('nobody', 'c01_control', pen.canaries.targets)).toEqual({ pids: true });
    expect(await probe('c01')).toEqual({ pids: true, entries: ['self', 'thread-self'], init: 'ENOENT' });
  });

  it('C02 nothing of the kernel is there', async () => {
    expect(thatAnswer(await control('root', 'c02'), 'ok').length).toBeGreaterThan(5);
    const answers = await probe('c02');
    expect(answers).toEqual(all(answers, 'ENOENT'));
  });

  it('C03 nothing in /proc can be written', async () => {
    const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    expect(thatAnswer(await control('root', 'c03'), 'ok').length).toBeGreaterThan(8);
    expect(thatAnswer(await probe('c03'), 'ok')).toEqual([]);
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before);
  });

  it('C04 its own entries name nothing of the host', async () => {
    const answers = await probe('c04');
    const text = JSON.stringify(answers);
    for (const hostly of [pen.runDir, pen.lease.instance, 'bullpen-forkserver', 'hostile-run', pen.canaries.secret]) {
      expect(text.includes(hostly), hostly).toBe(false);
    }
    expect(
      String(answers['cgroup'])
        .trim()
        .split('\n')
        .every((line) => line.endsWith(':/')),
    ).toBe(true);
  });

  it('C06 no control group can be reached', async () => {
    expect(thatAnswer(await control('root-apart', 'c06'), 'ok').length).toBeGreaterThan(2);
    const answers = await probe('c06');
    expect(answers).toMatchObject({ 'mount cgroup': 'EPERM', 'mount cgroup2': 'EPERM' });
    expect(thatAnswer(answers, 'ENOENT')).toHaveLength(5);
  });

  it('C07 there is no /sys', async () => {
    expect(thatAnswer(await control('root', 'c07'), 'ok').length).toBeGreaterThan(2);
    const answers = await probe('c07');
    expect(answers).toEqual(all(answers, 'ENOENT'));
  });

  it('C09 its own pipes are all that it can read back', async () => {
    const source = [
      'import os',
      "r = os.open('/dev/stdout', os.O_RDONLY | os.O_NONBLOCK)",
      "os.write(1, b'x' * 5000)",
      'try: os.read(r, 10000)',
      'except OSError: pass',
      "os.close(1); w = os.open('/proc/self/fd/%d' % r, os.O_WRONLY)",
      "os.write(w, b'end')",
    ].join('\n');
    const { outcome, stdout } = await pen.run({ source });
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(stdout?.text ?? '').toMatch(/^x*(end)?$/);
  });

  it('C10 five devices, and they are what they seem', async () => {
    expect(thatAnswer(await control('root', 'c10'), 'ok').length).toBeGreaterThan(3);
    const { names, numbers, ...others } = await probe('c10');
    const devices = { null: [1, 3, true], zero: [1, 5, true], full: [1, 7, true] };
    expect(numbers).toEqual({ ...devices, random: [1, 8, true], urandom: [1, 9, true] });
    const known = ['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero'];
    expect(names).toEqual(known);
    expect(others).toEqual(all(others, 'ENOENT'));
  });

  it('C11 what is left to see is its own, or known', async () => {
    expect((await control('root', 'c11'))['interfaces']).not.toEqual([]);
    const { hostname, sockets, interfaces, ...files } = await probe('c11');
    expect([hostname, sockets, interfaces]).toEqual(['bullpen', 0, ['lo']]);
    expect(files).toEqual(all(files, 'ENOENT'));
  });

  it('C12 physical addresses are hidden', async () => {
    expect((await control('root', 'c12'))['frame']).not.toBe(0);
    const { frame, ...files } = await probe('c12');
    expect([0, 'EPERM', 'EACCES']).toContain(frame);
    expect(files).toEqual(all(files, 'ENOENT'));
  });

  it('C15 what other jobs do with shared files can not be watched', async () => {
    expect(await control('root', 'c15')).toEqual({ fanotify: 'ok', inotify: 'ok', dnotify: 'ok', lease: 'ok' });
    const answers = await probe('c15');
    expect(answers).toEqual({ fanotify: 'EPERM', inotify: 'ENOSYS', dnotify: 'EPERM', lease: 'EACCES' });
    expect(await probe('c15', {}, { policy: { syscalls: 'compatible' } })).toEqual(answers);
  });
});

describe('D: inheritance', () => {
  it('D01 three descriptors, whatever the worker holds open', async () => {
    const limits = { openFiles: 4096 };
    expect(await probe('d01', { hold: 3 }, { limits })).toEqual({ open: [0, 1, 2, 3, 4, 5], held: 3 });
    expect(await probe('d01', {}, { limits })).toEqual({ open: [0, 1, 2], held: 0 });
  });

  it('D02 standard streams are pipes', async () => {
    expect(await control('nobody', 'd02', { terminal: true })).toMatchObject({ 'tty 0': true, 'socket 2': 'ok' });
    expect(await probe('d02')).toEqual({
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

  it('D03 the environment is the one that is promised', async () => {
    expect(JSON.stringify(await control('nobody', 'd03'))).toContain(pen.canaries.secret);
    const environment = { HOME: '/work', PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', TMPDIR: '/tmp' };
    expect(await probe('d03')).toEqual({ environment });
    expect(await probe('d03', {}, { env: { K: 'v', PATH: '/bin' } })).toEqual({
      environment: { ...environment, PATH: '/bin', K: 'v' },
    });
  });

  it("D04 nothing of the worker's memory came along", async () => {
    const { secret } = pen.canaries;
    const stdin = { text: `${secret.slice(0, 16)} ${secret.slice(16)}` };
    expect(await probe('d04', {}, { stdin })).toEqual({ found: 0 });
    // The control: what is in its memory is found.
    const planted = await probe('d04', {}, { stdin: { text: 'bull pen' }, env: { X: 'bullpen' } });
    expect(planted['found']).toBeGreaterThan(0);
  });

  it('D07 no keyring can be used', async () => {
    expect(await control('root', 'd07')).toMatchObject({ session: 'ok', add: 'ok' });
    const answers = await probe('d07');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('D08 limits of a process are as the policy says, and can not be raised', async () => {
    const answers = await probe('d08', {}, { limits: { openFiles: 100, diskBytes: 1_048_576 } });
    expect(answers).toMatchObject({
      NOFILE: [100, 100],
      // One page above the disk: what is written in order meets the full disk first.
      FSIZE: [1_052_672, 1_052_672],
      MEMLOCK: [0, 0],
      MSGQUEUE: [0, 0],
      NICE: [0, 0],
      RTPRIO: [0, 0],
    });
    const raised = Object.keys(answers).filter((key) => key.startsWith('raise') && answers[key] !== 'EPERM');
    expect(raised).toEqual([]);
    // The control: up to the hard limit each of them moves.
    const kinds = Object.keys(answers).filter((key) => key.startsWith('raise')).length;
    expect(thatAnswer(answers, 'ok').filter((key) => key.startsWith('within'))).toHaveLength(kinds);
  });

  it('D10 stdin can carry no descriptor', async () => {
    expect(await control('nobody', 'd10', { socket: true })).toEqual({ receive: 'ok' });
    expect(await probe('d10')).toEqual({ receive: 'ENOTSOCK' });
  });
});
