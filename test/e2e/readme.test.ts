import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { CLONE, readmeBlocks } from '../helpers/readme.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'bullpen-readme-'));
let redis: PrivateRedis;

beforeAll(async () => {
  redis = await startPrivateRedis();
});

afterAll(async () => {
  await redis.stop();
  rmSync(directory, { recursive: true });
});

test('the first block holds the two commands that are suites of their own', () => {
  const commands = readmeBlocks('sh')[0]
    ?.split('\n')
    .map((line) => line.replace(/ *#.*/, ''));
  expect(commands).toEqual(['npm run quickstart', 'npm test', '']);
});

test('every other command of the README works as written', async () => {
  const blocks = readmeBlocks('sh').slice(1);
  // Job control gives what the reader leaves running a process group of its own: Ctrl-C in his terminal would reach all of it too.
  const stop = 'for job in $(jobs -p); do kill -INT -- -$job; done; wait';
  const script = ['set -euo pipefail -m', `trap '${stop}' EXIT`, ...blocks].join('\n');
  const env = {
    ...process.env,
    BULLPEN_REDIS: redis.url,
    BULLPEN_RUN_DIR: join(directory, 'run'),
    TMPDIR: directory,
  };
  const { stdout } = await run('bash', ['-c', script.replaceAll('/tmp/', `${directory}/`)], {
    cwd: CLONE,
    env,
    timeout: 100_000,
  });
  const lines = stdout.trim().split('\n');
  const rows = new Set(lines.map((line) => line.replace(/ +/g, ' ')));
  const shown = readmeBlocks('text')[0]?.trim().split('\n') ?? [];
  expect(shown.length).toBeGreaterThan(0);
  expect(shown.filter((line) => !rows.has(line.replace(/ +/g, ' ')))).toEqual([]);
  expect(lines.filter((line) => line === '42')).toHaveLength(2);
  const result = JSON.parse(lines.find((line) => line.startsWith('{"kind":"result"')) ?? '{}');
  expect(result).toMatchObject({ id: 'sum-1', outcome: { kind: 'exited', exitCode: 0 }, stdout: { text: '42\n' } });
});
