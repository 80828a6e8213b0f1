import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InvalidJobError, type JobInput } from '../../producer/index.ts';
import { Pen } from '../helpers/pen.ts';

const directory = mkdtempSync(join(tmpdir(), 'bullpen-bad-input-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What the black-box door says to a file: its exit code and the one document on its stdout. */
async function runFile(bytes: Buffer | string): Promise<{ code: number | null; result: Record<string, unknown> }> {
  const file = join(directory, 'job.json');
  writeFileSync(file, bytes);
  const child = spawn(process.execPath, ['worker/cli/main.ts', 'run', file, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, result: JSON.parse(stdout) as Record<string, unknown> };
}

const job = (fields: Record<string, unknown>) =>
  JSON.stringify({ kind: 'job', version: 1, runtime: 'bash', source: 'echo ran', ...fields });
const withLimits = (limits: Record<string, unknown>) => job({ policy: { version: 1, limits } });
const file = (path: string) => job({ files: [{ path, text: '' }] });

/** Name, document, the field that must be named, the rule. */
const bad: [string, Buffer | string, string, string][] = [
  ['not JSON', 'hello', '', 'json'],
  ['nothing at all', '', '', 'json'],
  ['25 MiB', job({ source: 'x'.repeat(25 * 1024 * 1024) }), '', 'size'],
  ['a depth of 10,000', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, '', 'depth'],
  ['not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), '', 'encoding'],
  ['a key twice', '{"kind":"job","version":1,"runtime":"bash","source":"a","source":"b"}', 'source', 'duplicate-key'],
  [
    '__proto__',
    '{"kind":"job","version":1,"runtime":"bash","source":"a","env":{"__proto__":"x"}}',
    'env.__proto__',
    'forbidden-key',
  ],
  ['an unknown field', job({ netwrok: 'deny' }), 'netwrok', 'additionalProperties'],
  ['a wrong type', job({ attempts: '1' }), 'attempts', 'type'],
  ['a limit of zero', withLimits({ memoryBytes: 0 }), 'policy.limits.memoryBytes', 'minimum'],
  ['a negative limit', withLimits({ wallTimeMs: -1 }), 'policy.limits.wallTimeMs', 'minimum'],
  ['a huge limit', withLimits({ processes: 9007199254740991 }), 'policy.limits.processes', 'maximum'],
  ['a fraction', '{"kind":"job","version":1,"runtime":"bash","source":"a","attempts":1.5}', 'attempts', 'number'],
  ['an unknown runtime', job({ runtime: 'cobol' }), 'runtime', 'unknown-runtime'],
  ['a file ../x', file('../x'), 'files[0].path', 'path'],
  ['a file /abs', file('/abs'), 'files[0].path', 'path'],
  ['a file a/../../b', file('a/../../b'), 'files[0].path', 'path'],
  ['a file with NUL', file('a\0b'), 'files[0].path', 'path'],
  [
    'two files of one name',
    job({
      files: [
        { path: 'a', text: '' },
        { path: 'a', text: '' },
      ],
    }),
    'files[1].path',
    'duplicate-path',
  ],
  ['a file that would be the main file', file('main.sh'), 'files[0].path', 'reserved-path'],
  ['the id .', job({ id: '.' }), 'id', 'pattern'],
  ['the id ..', job({ id: '..' }), 'id', 'pattern'],
  ['the id -x', job({ id: '-x' }), 'id', 'pattern'],
  ['a cwd below /proc', job({ cwd: '/proc/self' }), 'cwd', 'path'],
  [
    'an egress rule',
    job({
      policy: { version: 1, network: { egress: { default: 'deny', allow: [{ to: [{ cidr: '10.0.0.0/8' }] }] } } },
    }),
    'policy.network.egress.allow',
    'not-enforceable',
  ],
  [
    'a host path',
    job({ policy: { version: 1, filesystem: { readonlyPaths: ['/srv'] } } }),
    'policy.filesystem.readonlyPaths[0]',
    'outside-roots',
  ],
  [
    'a host path that is never granted',
    job({ policy: { version: 1, filesystem: { readonlyPaths: ['/srv', '/proc'] } } }),
    'policy.filesystem.readonlyPaths[1]',
    'reserved-path',
  ],
];

describe('a document that is refused', () => {
  it.each(bad)('%s', async (_name, bytes, field, rule) => {
    const { code, result } = await runFile(bytes);
    expect(result.outcome).toMatchObject({ kind: 'rejected', field, rule });
    expect((result.outcome as { message: string }).message.length).toBeGreaterThan(10);
    expect(result).toMatchObject({ attribution: 'caller', rewardSafe: false });
    expect(code).toBe(3);
  });

  it('a file name of 5,000 bytes', async () => {
    const { result } = await runFile(file('x'.repeat(5000)));
    expect(result.outcome).toMatchObject({ kind: 'rejected', field: 'files[0].path' });
  });

  it('the same door lets the good twin through', async () => {
    const { code, result } = await runFile(job({}));
    expect(result).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, stdout: { text: 'ran\n' } });
    expect(code).toBe(0);
  });

  it('unreadable documents have no identity', async () => {
    const { result } = await runFile('hello');
    expect(result).toMatchObject({ id: null, tenant: null, uid: null, epoch: 0 });
    expect(result).not.toHaveProperty('stdout');
  });
});

it('the producer refuses it before any I/O, naming the field', async () => {
  const pen = await Pen.open();
  try {
    const invalid = JSON.parse(job({ cwd: '/proc/1' })) as JobInput;
    await expect(pen.producer.submit(invalid)).rejects.toBeInstanceOf(InvalidJobError);
    await expect(pen.producer.submit(invalid)).rejects.toMatchObject({ issues: [{ path: 'cwd', rule: 'path' }] });
    expect(await pen.producer.stats()).toMatchObject({ waiting: 0 });
  } finally {
    await pen.close();
  }
});
