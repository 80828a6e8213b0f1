import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { newUid } from '../../../protocol/index.ts';
import { checkResult } from '../../../schemas/parse.ts';
import type { OutputStream, Result } from '../../../schemas/types.ts';
import { mayBeginAgain } from '../../../worker/failures.ts';
import { finishOf } from '../../../worker/finish.ts';
import { separateLargeContent } from '../../../worker/large-content.ts';
import {
  engineFailure,
  failure,
  type OwnOutcome,
  rejection,
  resultWithoutRun,
} from '../../../worker/result-document.ts';

const uid = newUid();
const subject = { id: 'a', tenant: 'acme', uid, epoch: 1, worker: 'w-test', startedAt: new Date().toISOString() };
const nobody = { id: null, tenant: null, uid: null, epoch: 0, worker: 'w-test', startedAt: null };

function stream(bytes: Buffer, kind: 'text' | 'base64'): OutputStream {
  const content = kind === 'text' ? { text: bytes.toString() } : { base64: bytes.toString('base64') };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { ...content, bytes: bytes.length, totalBytes: bytes.length, truncated: false, sha256 };
}

const outcomes: OwnOutcome[] = [
  rejection([{ path: 'runtime', rule: 'required', message: 'runtime is missing' }]),
  { kind: 'unavailable', layer: 'seccomp', message: 'no' },
  { kind: 'cancelled', by: 'caller' },
  { kind: 'expired' },
  { kind: 'worker-lost', reason: 'died' },
  failure('inputs', 'blob-missing', 'stdin: the content is not there (any more)'),
];

describe('a result without a run', () => {
  it.each(outcomes)('keeps the contract: $kind', (outcome) => {
    expect(checkResult(JSON.stringify(resultWithoutRun(subject, outcome)))).toMatchObject({ ok: true });
    expect(checkResult(JSON.stringify(resultWithoutRun(nobody, outcome)))).toMatchObject({ ok: true });
  });

  it('cuts what a document may make too long', () => {
    const outcome = rejection([{ path: '😀'.repeat(400), rule: 'path', message: 'x'.repeat(2_000) }]);
    expect(checkResult(JSON.stringify(resultWithoutRun(nobody, outcome)))).toMatchObject({ ok: true });
  });
});

describe('large content', () => {
  const large = Buffer.alloc(65_537, 'é');
  const small = Buffer.alloc(65_536, 'x');

  function resultWith(fields: Partial<Result>): Result {
    return { ...resultWithoutRun(subject, { kind: 'expired' }), ...fields };
  }

  it('leaves the result, and the reference names it', () => {
    const artifact = { path: 'out/a', ...stream(large, 'base64') };
    const { truncated: _t, totalBytes: _b, ...collected } = artifact;
    const before = resultWith({
      stdout: stream(small, 'text'),
      stderr: stream(large, 'base64'),
      artifacts: [collected, { path: 'out/l', rejected: 'symlink' }],
    });
    const { result, blobs } = separateLargeContent(before);
    expect(blobs).toEqual([large]);
    expect(result.stdout).toEqual(before.stdout);
    const blob = `sha256:${before.stderr?.sha256}`;
    expect(result.stderr).toMatchObject({ blob, bytes: 65_537, sha256: before.stderr?.sha256 });
    expect(result.artifacts).toEqual([
      { path: 'out/a', blob, bytes: 65_537, sha256: before.stderr?.sha256 },
      { path: 'out/l', rejected: 'symlink' },
    ]);
    expect(checkResult(JSON.stringify(result))).toMatchObject({ ok: true });
  });

  it('leaves room for a MiB of smaller content, then only for tiny ones', () => {
    const { truncated: _t, totalBytes: _b, ...half } = stream(Buffer.alloc(32_768, 'x'), 'text');
    const { truncated: _tt, totalBytes: _tb, ...tiny } = stream(Buffer.from('tiny'), 'text');
    const artifacts = Array.from({ length: 40 }, (_, n) => ({ path: `out/${n}`, ...half, text: half.text ?? '' }));
    const { result } = separateLargeContent(resultWith({ artifacts: [...artifacts, { path: 'out/tiny', ...tiny }] }));
    const inline = result.artifacts.filter((artifact) => 'text' in artifact).map(({ path }) => path);
    expect(inline.length).toBe(33);
    expect(inline.at(-1)).toBe('out/tiny');
    expect(checkResult(JSON.stringify(result))).toMatchObject({ ok: true });
  });

  it('leaves the build step too', () => {
    const usage = { wallTimeUs: 1, cpuTimeUs: 1, cpuWaitUs: null, memoryPeakBytes: null, processesPeak: null };
    const step = { outcome: { kind: 'exited', exitCode: 0, phase: 'build' }, usage } as const;
    const build = { ...step, stdout: stream(small, 'text'), stderr: stream(large, 'base64') };
    const { result, blobs } = separateLargeContent(resultWith({ build }));
    expect(result.build?.stderr.base64).toBeUndefined();
    expect(blobs).toEqual([large]);
  });
});

describe('an error of the native layer', () => {
  it('is a result that is too large where a string was too short for it, else a defect', () => {
    const tooLong = Object.assign(new Error('no'), { code: 'ERR_STRING_TOO_LONG' });
    for (const error of [tooLong, new RangeError('Invalid string length')]) {
      expect(engineFailure(error)).toMatchObject({ kind: 'failed', step: 'result', code: 'too-large' });
      expect(mayBeginAgain(engineFailure(error), { epoch: 1, attempts: 2 })).toBe(false);
    }
    expect(engineFailure(new Error('/a/path'))).toMatchObject({ step: 'engine', code: 'refused' });
    expect(engineFailure('thrown').message).not.toContain('thrown');
  });
});

describe('a finish', () => {
  it('carries the hash of exactly the bytes that are committed', () => {
    const finish = finishOf(resultWithoutRun(subject, { kind: 'expired' }), { uid, epoch: 0, tenant: 'acme' });
    expect(finish.resultSha256).toBe(createHash('sha256').update(finish.result).digest('hex'));
    expect(checkResult(finish.result)).toMatchObject({ ok: true });
    expect(finish.dead).toBeNull();
  });

  it('keeps the document of a dead letter', () => {
    const kept = outcomes
      .filter(
        (outcome) => finishOf(resultWithoutRun(subject, outcome), { uid, epoch: 1, tenant: 'acme' }).dead !== null,
      )
      .map(({ kind }) => kind);
    expect(kept).toEqual(['worker-lost', 'failed']);
  });

  it.each([
    [{ kind: 'worker-lost', reason: 'died' }, 'worker-died'],
    [{ kind: 'worker-lost', reason: 'drain' }, 'worker-drained'],
    [{ kind: 'worker-lost', reason: 'lock-lost' }, 'lock-lost'],
    [failure('mount', 'EPERM', 'no'), 'step-failed'],
    [failure('document', 'hash', 'no'), 'document-changed'],
    [failure('inputs', 'blob-missing', 'no'), 'inputs-lost'],
    [failure('result', 'too-large', 'no'), 'result-too-large'],
  ] as const)('%j is a dead letter: %s', (outcome, reason) => {
    expect(finishOf(resultWithoutRun(subject, outcome), { uid, epoch: 1, tenant: 'acme' }).dead).toBe(reason);
  });
});

describe('what may begin again', () => {
  const first = { epoch: 1, attempts: 2 };
  it('is a failure of ours and a lost worker, while attempts allow', () => {
    expect(mayBeginAgain(failure('mount', 'EPERM', 'no'), first)).toBe(true);
    expect(mayBeginAgain({ kind: 'worker-lost', reason: 'lock-lost' }, first)).toBe(true);
    expect(mayBeginAgain(failure('mount', 'EPERM', 'no'), { epoch: 2, attempts: 2 })).toBe(false);
  });

  it('is never a failure that would be the same again, nor anything of the guest or the caller', () => {
    expect(mayBeginAgain(failure('inputs', 'blob-missing', 'no'), first)).toBe(false);
    expect(mayBeginAgain(failure('document', 'hash', 'no'), first)).toBe(false);
    expect(mayBeginAgain({ kind: 'exited', exitCode: 1, phase: 'run' }, first)).toBe(false);
    expect(mayBeginAgain({ kind: 'cancelled', by: 'caller' }, first)).toBe(false);
    expect(mayBeginAgain({ kind: 'unavailable', layer: 'seccomp', message: 'no' }, first)).toBe(false);
  });
});
