import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answers, type Bare, bare, HostilePen } from './harness.ts';

/** Group F: the kernel's attack surface. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('kernel.py', name, given, more);
const control = (as: Bare, name: string, given: object = {}) => bare(as, 'kernel.py', name, given);
const all = (answers: object, value: unknown) => Object.fromEntries(Object.keys(answers).map((key) => [key, value]));
const oks = (answers: Answers) => Object.keys(answers).filter((key) => answers[key] === 'ok');
const SIGSYS = '1031';

/** In the sandbox each is refused; on the host, for root, none by lack of rights. */
async function refused(name: string, errno: string, as: Bare = 'root-apart'): Promise<void> {
  const outside = Object.values(await control(as, name));
  expect(
    outside.some((answer) => answer !== errno && answer !== 'EPERM'),
    `control of ${name}: ${outside}`,
  ).toBe(true);
  const answers = await probe(name);
  expect(answers).toEqual(all(answers, errno));
}

describe('F: kernel', () => {
  it('F01 bpf', () => refused('f01', 'EPERM', 'root'));
  it('F02 perf events', () => refused('f02', 'EPERM', 'root'));
  it('F03 userfaultfd', async () => {
    expect((await control('root', 'f03'))['userfaultfd']).toBe('ok');
    expect(await probe('f03')).toEqual({ userfaultfd: 'EPERM', device: 'ENOENT' });
  });
  it('F04 io_uring', () => refused('f04', 'EPERM', 'root'));

  it('F06 no namespace of any kind, whatever the upper bits say', async () => {
    expect(oks(await control('root', 'f06')).length).toBeGreaterThanOrEqual(21);
    const answers = await probe('f06');
    expect(answers).toEqual({ ...all(answers, 'EPERM'), 'clone3 null': 'ENOSYS', setns: answers['setns'] });
    expect(['EPERM', 'EACCES', 'ENOENT']).toContain(answers['setns']);
    expect(await probe('f06_usual')).toEqual({ fork: 'ok', clone: 'ok', thread: 'ok', posix_spawn: 'ok' });
  });

  it('F06 the compatible profile allows none either', async () => {
    const answers = await probe('f06', {}, { policy: { syscalls: 'compatible' } });
    expect(oks(answers)).toEqual([]);
  });

  it('F07 no mount call', () => refused('f07', 'EPERM'));

  it('F08 no module', async () => {
    // A kernel built without modules has no such file; then the refusal is all there is to see.
    const modules = () => (existsSync('/proc/modules') ? readFileSync('/proc/modules', 'utf8') : null);
    const before = modules();
    await refused('f08', 'EPERM');
    expect(modules()).toBe(before);
  });

  it('F09 no other kernel', () => refused('f09', 'EPERM'));
  it('F10 administration and relics', () => refused('f10', 'EPERM'));

  it('F11 the chain from a held directory stops at its first link', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-chain-'));
    writeFileSync(join(directory, 'victim'), 'whole');
    expect(await control('root', 'f11', { directory })).toEqual({ chain: 'ok' });
    expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('written');
    writeFileSync(join(directory, 'victim'), 'whole');
    expect(await probe('f11', { directory: '/' })).toEqual({ chain: 'EPERM' });
    expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('whole');
    rmSync(directory, { recursive: true });
  });

  it("F12 the host's clock", async () => {
    expect((await control('root', 'f12'))['cancel on set']).toBe('ok');
    const { timer, ...answers } = await probe('f12');
    expect(timer).toBe('ok');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('F14 no personality that weakens', async () => {
    expect(oks(await control('nobody', 'f14'))).toHaveLength(4);
    const { ask, ...answers } = await probe('f14');
    expect(ask).toBe('ok');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('F15 memory policies and watchers', () => refused('f15', 'EPERM'));

  it('F16 one family of sockets', async () => {
    const outside = (await control('root-apart', 'f16'))['families'] as number[];
    for (const family of [1, 2, 10, 16, 17, 40, 44]) expect(outside, `family ${family}`).toContain(family);
    expect((await probe('f16'))['families']).toEqual([1]);
    const loopback = await probe('f16', {}, { policy: { network: { loopback: 'private' } } });
    expect(loopback['families']).toEqual([1, 2, 10, 16]);
    const made = loopback['made'] as string[];
    expect(made.filter((one) => /^socket (2|10) (3|4|5|6|10)/.test(one))).toEqual([]);
    expect(made.filter((one) => /^socket 16/.test(one)).every((one) => one.endsWith(' 0'))).toBe(true);
  });

  it('F17 foreign numbers kill the whole process', async () => {
    const outside = await control('nobody', 'f17');
    expect(outside['x32 getpid']).not.toBe(SIGSYS);
    const { 'minus one': none, ...answers } = await probe('f17');
    expect(none).toBe('ENOSYS');
    expect(answers).toEqual(all(answers, SIGSYS));
  });

  it('F18 of all calls few are more than refused', async () => {
    const answers = await probe('f18', {}, { limits: { wallTimeMs: 30_000, cpuTimeMs: 30_000 } });
    const kept = answers['refused'] as number[];
    // ptrace, mount, bpf, io_uring_setup, unshare, setns, keyctl, perf_event_open, kexec_load, userfaultfd
    for (const number of [101, 165, 321, 425, 272, 308, 250, 298, 246, 323]) expect(kept).toContain(number);
    expect(kept.filter((number) => number >= 468)).toHaveLength(600 - 468);
    expect(600 - kept.length).toBeLessThan(290);
  });

  it('F19 no pages of shared files in pipes', async () => {
    expect(oks(await control('nobody', 'f19'))).toContain('splice');
    expect(await probe('f19')).toEqual({
      splice: 'EPERM',
      tee: 'EPERM',
      vmsplice: 'EPERM',
      sendfile: 'EINVAL',
      'python copies': 'ok',
    });
  });

  it('F22 every thread is filtered', async () => {
    expect(await control('nobody', 'f22')).toEqual({ tasks: 21, confined: 0 });
    expect(await probe('f22')).toEqual({ tasks: 21, confined: 21 });
  });

  it('F23 nothing of System V, no queues', async () => {
    expect(oks(await control('root-apart', 'f23')).length).toBeGreaterThanOrEqual(3);
    const answers = await probe('f23');
    expect(answers).toEqual(all(answers, 'ENOSYS'));
  });

  it('F24 no control of devices, whatever the upper bits say', async () => {
    const outside = await control('nobody', 'f24', { terminal: true });
    expect(Object.values(outside).filter((answer) => answer !== 'ENOTTY').length).toBeGreaterThan(3);
    const answers = await probe('f24');
    expect(answers).toEqual(all(answers, 'ENOTTY'));
  });

  it('F26 no other id, no capability', async () => {
    expect(oks(await control('root', 'f26')).length).toBeGreaterThan(10);
    const answers = await probe('f26');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('F27 hardening can not be undone', async () => {
    const outside = await control('root', 'f27');
    // Strict mode of seccomp, once on, kills for the next call.
    expect(outside).toMatchObject({ securebits: 'ok', seccomp: '1009' });
    expect(outside['speculation']).not.toBe('EPERM');
    const answers = await probe('f27');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('F28 just-in-time compilers work', async () => {
    expect(await probe('f28')).toEqual({ jit: 'ok' });
  });

  it('F29 corners of Landlock', async () => {
    const answers = await probe('f29');
    expect(answers).toMatchObject({ 'refer inside': 'ok', 'rename across': 'EXDEV', 'link across': 'EXDEV' });
    expect(oks(answers)).toEqual(['refer inside']);
    expect(existsSync('/usr/f')).toBe(false);
  });
});
