import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { Pen } from '../helpers/pen.ts';
import { buildRecorder, record } from './recorder.ts';
import { filesOf, type JobFile, missing, RUNTIMES, type Runtime } from './runtimes.ts';

let pen: Pen;
let recorder: string;
const scratch = mkdtempSync(join(tmpdir(), 'bullpen-runtimes-'));
const built = new Map<string, JobFile[]>();

beforeAll(async () => {
  recorder = buildRecorder();
  pen = await Pen.open();
  await pen.startWorker();
});

afterAll(async () => {
  await pen?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** A runtime's files. Where the machine lacks it, the test fails, or is skipped if the list says why that may be. */
function prepare(runtime: Runtime, context: TestContext): JobFile[] {
  const lacking = missing(runtime);
  if (lacking.length > 0 && runtime.mayBeMissing !== undefined) context.skip();
  expect(lacking, runtime.name).toEqual([]);
  const files = built.get(runtime.name) ?? filesOf(runtime, scratch);
  built.set(runtime.name, files);
  return files;
}

it('the list gives a reason for everything', () => {
  for (const { name, why, mayBeMissing, denied } of RUNTIMES) {
    for (const reason of [why, mayBeMissing ?? why, ...Object.values(denied)]) {
      expect(reason.split(' ').length, `${name}: ${reason}`).toBeGreaterThan(3);
    }
  }
});

it('the recorder sees what is denied, and only that', () => {
  const strict = record(recorder, 'strict', scratch, ['/usr/bin/unshare', '--user', '/bin/true']);
  expect(strict.denied).toEqual({ 'unshare() EPERM': 1 });
  expect(strict).toMatchObject({ status: 1, stderr: expect.stringContaining('Operation not permitted') });
  expect(record(recorder, 'strict', scratch, ['/bin/true'])).toMatchObject({ status: 0, denied: {} });
});

describe.each(RUNTIMES)('$name', (runtime) => {
  const prints = new RegExp(`^${runtime.name.replaceAll('+', '\\+')}.* ok\n$`);

  it('runs as a job', async (context) => {
    const files = prepare(runtime, context).map(({ bytes, ...file }) => ({
      ...file,
      base64: bytes.toString('base64'),
    }));
    const { profile, command, limits } = runtime;
    const job = await pen.producer.submit({
      kind: 'job',
      version: 1,
      runtime: runtime.runtime,
      command,
      files,
      policy: { version: 1, syscalls: profile, limits },
    });
    const { outcome, stdout, stderr, limitsHit, sandbox } = await job.result();
    expect({ outcome, stderr: stderr?.text }).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 } });
    expect([stdout?.text, limitsHit]).toEqual([expect.stringMatching(prints), []]);
    expect(sandbox?.layers).toContainEqual({ layer: 'seccomp', value: profile });
  });

  it('every call that is denied to it is judged', (context) => {
    const directory = mkdtempSync(join(scratch, 'host-'));
    for (const { path, bytes, executable } of prepare(runtime, context)) {
      writeFileSync(join(directory, path), bytes);
      chmodSync(join(directory, path), executable ? 0o755 : 0o644);
    }
    const { status, stdout, stderr, denied } = record(recorder, runtime.profile, directory, runtime.command);
    for (const [call, times] of Object.entries(denied)) {
      console.log(`${runtime.name}: ${call} ${times}×: ${runtime.denied[call] ?? 'NOT JUDGED'}`);
    }
    expect([status, stderr]).toEqual([0, expect.not.stringContaining('denied:')]);
    expect(stdout).toMatch(prints);
    expect(Object.keys(denied).filter((call) => !(call in runtime.denied))).toEqual([]);
  });
});
