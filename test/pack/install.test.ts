import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Pen } from '../helpers/pen.ts';
import { CLONE, readmeBlocks } from '../helpers/readme.ts';

const run = promisify(execFile);
const NODE = '/usr/bin/node';
// Without the clone's own binaries: a stranger has the system's Node only.
const env = { ...process.env, PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
const directory = mkdtempSync(join(tmpdir(), 'bullpen-pack-'));
let packed: string[];
let pen: Pen;

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: CLONE });
  const [tarball] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string; files: { path: string }[] }];
  packed = tarball.files.map(({ path }) => path);
  writeFileSync(join(directory, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }');
  const flags = ['--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  await run('npm', ['install', ...flags, join(directory, tarball.filename)], { cwd: directory, env });
  pen = await Pen.open();
  await pen.startWorker();
});

afterAll(async () => {
  await pen?.close();
  rmSync(directory, { recursive: true, force: true });
});

test('the tarball holds the built library, the schemas, and nothing native', () => {
  expect(packed).toContain('dist/producer/index.js');
  expect(packed).toContain('dist/producer/index.d.ts');
  expect(packed).toContain('schemas/job.schema.json');
  const expected = /^(dist\/.*\.(js|d\.ts|json|lua)|schemas\/[^/]+\.json|README\.md|package\.json|LICENSE)$/;
  expect(packed.filter((path) => !expected.test(path))).toEqual([]);
});

test("the README's example runs there on the system's Node, without native code", async () => {
  const [example = ''] = readmeBlocks('ts');
  const source = example.replace('createProducer({ ', `createProducer({ queue: '${pen.queue}', `);
  const report =
    '\nconsole.log(JSON.stringify({ node: process.version, loaded: process.report.getReport().sharedObjects }));\n';
  writeFileSync(join(directory, 'example.js'), source + report);
  const { stdout } = await run(NODE, ['example.js'], { cwd: directory, env: { ...env, BULLPEN_REDIS: pen.redis.url } });
  const [greeting, last = '{}'] = stdout.trim().split('\n');
  expect(greeting).toBe('hello pen');
  const { node, loaded } = JSON.parse(last) as { node: string; loaded: string[] };
  expect(Number(/^v(\d+)/.exec(node)?.[1])).toBeGreaterThanOrEqual(20);
  expect(loaded.filter((object) => object.startsWith(directory) || object.endsWith('.node'))).toEqual([]);
});

test('the command is installed and answers', async () => {
  expect(readdirSync(join(directory, 'node_modules', '.bin'))).toContain('bullpen');
  const bullpen = join(directory, 'node_modules', '.bin', 'bullpen');
  const { stdout } = await run(bullpen, ['queue', '--json', '--queue', pen.queue], {
    cwd: directory,
    env: { ...env, BULLPEN_REDIS: pen.redis.url },
  });
  expect(JSON.parse(stdout)).toMatchObject({ workers: [{ slots: 4 }] });
});
