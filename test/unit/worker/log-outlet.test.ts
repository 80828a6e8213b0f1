import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const OUTLET = fileURLToPath(new URL('../../../worker/log-outlet.ts', import.meta.url));
const LINES = 5000;

/** Writes lines that are more than any pipe holds; says so; waits for a word; writes one more. */
const WRITER = `
  import { LogOutlet } from ${JSON.stringify(OUTLET)};
  const outlet = new LogOutlet(1);
  const say = (n) => outlet.write(JSON.stringify({ n, text: 'x'.repeat(Math.abs(n) % 7000) }) + '\\n');
  for (let n = 0; n < ${LINES}; n++) say(n);
  process.stderr.write('written');
  process.stdin.once('data', () => { say(-1); say(-2); process.exit(0); });
`;

let directory: string;
let fifo: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bullpen-log-'));
  fifo = join(directory, 'log');
  execFileSync('mkfifo', [fifo]);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Node's own pipes to its children are sockets. */
function write(stdout: number | 'pipe'): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', WRITER], { stdio: ['pipe', stdout, 'pipe'] });
}

async function written({ stderr }: ChildProcess): Promise<void> {
  if (stderr !== null) await once(stderr, 'data');
}

function readAll(descriptor: number): string {
  const parts: Buffer[] = [];
  for (const part = Buffer.alloc(1 << 16); ; ) {
    try {
      const bytes = readSync(descriptor, part);
      if (bytes === 0) return Buffer.concat(parts).toString();
      parts.push(Buffer.from(part.subarray(0, bytes)));
    } catch {
      return Buffer.concat(parts).toString(); // EAGAIN: empty
    }
  }
}

it('never stands still for a pipe that nobody reads; every line that went is whole, and the others are counted', async () => {
  const ends = openSync(fifo, constants.O_RDWR);
  const pipe = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const child = write(ends);
  const ended = once(child, 'exit');
  await written(child);
  const before = readAll(pipe);
  child.stdin?.write('go');
  await ended;
  const lines = `${before}${readAll(pipe)}`.trim().split('\n');
  const records = lines.map((line) => JSON.parse(line) as { n?: number; dropped?: number });
  const told = records.reduce((sum, { dropped = 0 }) => sum + dropped, 0);
  expect(told).toBeGreaterThan(0);
  expect(records.filter(({ n }) => n !== undefined).length + told).toBe(LINES + 2);
  expect(records.slice(-2).map(({ n }) => n)).toEqual([-1, -2]);
  closeSync(pipe);
  closeSync(ends);
});

it('drops nothing where everything is read, and nothing of a file', async () => {
  const file = openSync(join(directory, 'file'), 'w');
  const child = write(file);
  child.stdin?.write('go');
  await once(child, 'exit');
  closeSync(file);
  const lines = readFileSync(join(directory, 'file'), 'utf8').trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual([...Array(LINES).keys(), -1, -2]);
});

it('goes on when its other end is gone', async () => {
  const child = write('pipe');
  child.stdout?.destroy();
  await written(child);
  child.stdin?.write('go');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('never stands still for a socket that nobody reads either', async () => {
  const child = write('pipe');
  await written(child);
  child.stdin?.write('go');
  child.stdout?.resume();
  expect(await once(child, 'close')).toEqual([0, null]);
});
