import { createReadStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { Outcome, OutputStream, Result } from '../../schemas/types.ts';
import { UsageError } from './usage.ts';

/**
 * Reads a document from a file or, for `-`, from stdin: at most one byte more than `maxBytes`, so that the door sees that it
 * is too large. Throws UsageError when it can't be read.
 */
export async function readDocument(file: string, maxBytes: number): Promise<Uint8Array> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) break;
    }
  } catch (error) {
    throw new UsageError(`${file} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return Buffer.concat(chunks).subarray(0, maxBytes + 1);
}

/** Writes a line to stdout. */
export async function printLine(line: string): Promise<void> {
  await write(process.stdout, line);
  await write(process.stdout, '\n');
}

/** Writes the program's stdout and stderr to ours, and why it ended if it did not end by itself. */
export async function behaveAsProgram({ outcome, stdout, stderr }: Result): Promise<void> {
  await write(process.stdout, contentOf(stdout));
  await write(process.stderr, contentOf(stderr));
  const reason = reasonOf(outcome);
  if (reason !== null) await write(process.stderr, `bullpen-worker: ${reason}\n`);
}

function contentOf(stream: OutputStream | undefined): Buffer {
  if (stream?.base64 !== undefined) return Buffer.from(stream.base64, 'base64');
  return Buffer.from(stream?.text ?? '', 'utf8');
}

function reasonOf(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'exited':
      return outcome.exec === undefined ? null : `the program could not be executed: ${outcome.exec}`;
    case 'signaled':
      return outcome.signal;
    case 'rejected':
      return `rejected: ${outcome.message} [${outcome.rule}]`;
    case 'unavailable':
      return `unavailable: ${outcome.layer}: ${outcome.message}`;
    case 'failed':
      return `failed: ${outcome.step}: ${outcome.code}: ${outcome.message}`;
    case 'worker-lost':
      return `worker-lost: ${outcome.reason}`;
    default:
      return outcome.kind;
  }
}

/** Resolves when the bytes are out; also when the reader has gone, as behind `head`: the exit code still counts. */
function write(stream: Writable, data: Buffer | string): Promise<void> {
  if (data.length === 0) return Promise.resolve();
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  return new Promise((resolve) => {
    stream.write(data, () => resolve());
  });
}
