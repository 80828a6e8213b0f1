// Loaded into a worker before its own code: says whether the files named in BULLPEN_PROBE open, now and at each SIGUSR2, on the main
// thread and on those of the thread pool.

import { closeSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

const files = (process.env.BULLPEN_PROBE ?? '').split(':');
// More than the pool has threads, so that each of them is asked.
const AT_ONCE = 16;

function attempt(file: string): string {
  try {
    closeSync(openSync(file, 'r'));
    return 'opened';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'failed';
  }
}

async function attemptInPool(file: string): Promise<string> {
  try {
    await (await open(file, 'r')).close();
    return 'opened';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'failed';
  }
}

async function tell(when: string): Promise<void> {
  for (const file of files) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => attemptInPool(file)));
    const distinct = [...new Set([attempt(file), ...answers])].join(' ');
    writeSync(2, `${JSON.stringify({ probe: when, file, answer: distinct })}\n`);
  }
}

process.on('SIGUSR2', () => void tell('after'));
await tell('before');
