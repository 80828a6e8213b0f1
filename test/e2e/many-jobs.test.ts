import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { Pen } from '../helpers/pen.ts';

let pen: Pen;
beforeAll(async () => {
  pen = await Pen.open();
});
afterAll(() => pen.close());

/** A program that says its own token on stdout, stderr and in an artifact. */
const echo = (token: string): JobInput => ({
  kind: 'job',
  version: 1,
  runtime: 'bash',
  id: token,
  source: `echo ${token}; echo ${token} >&2; echo ${token} > token.txt`,
  artifacts: ['token.txt'],
});

async function runAllAndCompare(count: number, prefix: string): Promise<Set<string>> {
  const tokens = Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
  const workers = new Set<string>();
  for await (const settled of pen.producer.runAll(tokens.map(echo), { inFlight: count })) {
    if (settled.status === 'rejected') throw settled.error;
    const { result, index } = settled;
    const said = `${tokens[index]}\n`;
    expect(result).toMatchObject({
      id: tokens[index],
      stdout: { text: said },
      stderr: { text: said },
      artifacts: [{ path: 'token.txt', text: said }],
    });
    workers.add(result.worker ?? '');
  }
  return workers;
}

it("200 jobs at once through 4 slots: each gets its own output and nobody else's", async () => {
  await pen.startWorker({ slots: 4 });
  await runAllAndCompare(200, 'one');
}, 60_000);

it('two workers on one queue share the jobs', async () => {
  await pen.startWorker({ slots: 4 });
  expect((await runAllAndCompare(100, 'two')).size).toBe(2);
}, 60_000);
