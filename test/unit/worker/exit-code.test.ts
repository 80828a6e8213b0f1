import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../schemas/types.ts';
import { exitCodeOf, programExitCode, signalNumber } from '../../../worker/cli/exit-code.ts';

const run = { phase: 'run' } as const;

describe('exit codes of the commands', () => {
  it.each([
    ['exited', 0],
    ['signaled', 0],
    ['wall-time-exceeded', 0],
    ['disk-exceeded', 0],
    ['rejected', 3],
    ['unavailable', 3],
    ['failed', 4],
    ['worker-lost', 4],
    ['expired', 4],
    ['cancelled', 4],
  ] as const)('%s is %i', (kind, code) => {
    expect(exitCodeOf(kind)).toBe(code);
  });
});

describe('run as the program', () => {
  const cases: [string, Outcome, number][] = [
    ['its exit code', { kind: 'exited', exitCode: 7, ...run }, 7],
    ['a signal', { kind: 'signaled', signal: 'SIGSEGV', ...run }, 139],
    ['a real-time signal', { kind: 'signaled', signal: 'SIGRTMIN+3', ...run }, 165],
    ['wall time', { kind: 'wall-time-exceeded', ...run }, 124],
    ['CPU time', { kind: 'cpu-time-exceeded', ...run }, 124],
    ['memory', { kind: 'memory-exceeded', ...run }, 124],
    ['processes', { kind: 'processes-exceeded', ...run }, 124],
    ['output', { kind: 'output-exceeded', ...run }, 124],
    ['disk', { kind: 'disk-exceeded', ...run }, 124],
    ['rejected', { kind: 'rejected', field: '', rule: 'json', message: 'the document is not JSON' }, 125],
    ['unavailable', { kind: 'unavailable', layer: 'seccomp', message: 'no' }, 125],
    ['failed', { kind: 'failed', step: 'mount', code: 'EPERM', message: 'no' }, 125],
    ['worker-lost', { kind: 'worker-lost', reason: 'died' }, 125],
  ];
  it.each(cases)('answers %s', (_what, outcome, code) => {
    expect(programExitCode(outcome, null)).toBe(code);
  });

  it('answers as the signal that interrupted it', () => {
    const cancelled: Outcome = { kind: 'cancelled', by: 'caller' };
    expect(programExitCode(cancelled, 'SIGINT')).toBe(130);
    expect(programExitCode(cancelled, 'SIGTERM')).toBe(143);
  });

  it('knows signals by name and refuses what is none', () => {
    expect(['SIGKILL', 'SIGRTMIN', 'SIGRTMAX', 'SIGRTMAX-2'].map(signalNumber)).toEqual([9, 34, 64, 62]);
    expect(() => signalNumber('SIGNOTHING')).toThrow('unknown signal SIGNOTHING');
  });
});
