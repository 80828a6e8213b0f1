import { parseJob, RUN_MAX_BYTES } from '../../schemas/parse.ts';
import type { Job } from '../../schemas/types.ts';
import { InvalidJobError } from '../errors.ts';
import { readBounded } from './input.ts';
import { readLines } from './lines.ts';
import { UsageError } from './usage-error.ts';
import type { Call } from './verb.ts';

/** A job as it was given, not yet looked at. */
export type Draft =
  | { kind: 'document'; bytes: Uint8Array }
  | { kind: 'source'; runtime: string; bytes: Uint8Array }
  | { kind: 'too-long' };

/** The drafts that the positionals name, one after another: `-` is NDJSON on stdin, or with a runtime one source. */
export async function* readDrafts(call: Call, runtime: string | undefined): AsyncGenerator<Draft> {
  const names = call.positionals;
  if (names.length === 0) throw new UsageError('name at least one FILE, or - for stdin');
  if (names.includes('-') && names.length > 1) throw new UsageError('- stands alone: stdin is all that is read then');
  for (const name of names) {
    if (runtime !== undefined) yield { kind: 'source', runtime, bytes: await readSource(call, name) };
    else if (name === '-') yield* readNdjson(call.stdin);
    else yield { kind: 'document', bytes: await readBounded(name, RUN_MAX_BYTES) };
  }
}

/** The job of a draft. Throws `InvalidJobError`; what it accepts may still be refused once it is completed. */
export function toJob(draft: Draft): Job {
  if (draft.kind === 'too-long') {
    throw new InvalidJobError([
      { path: '', rule: 'size', message: `the document must be at most ${RUN_MAX_BYTES} bytes` },
    ]);
  }
  if (draft.kind === 'source') return { kind: 'job', version: 1, runtime: draft.runtime, source: asText(draft.bytes) };
  const parsed = parseJob(draft.bytes, { maxBytes: RUN_MAX_BYTES });
  if (!parsed.ok) throw new InvalidJobError(parsed.issues);
  return parsed.value;
}

function readSource(call: Call, name: string): Promise<Uint8Array> {
  return readBounded(name === '-' ? call.stdin : name, RUN_MAX_BYTES);
}

async function* readNdjson(stdin: AsyncIterable<Uint8Array>): AsyncGenerator<Draft> {
  for await (const line of readLines(stdin, RUN_MAX_BYTES)) {
    yield 'bytes' in line ? { kind: 'document', bytes: line.bytes } : { kind: 'too-long' };
  }
}

function asText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InvalidJobError([{ path: 'source', rule: 'encoding', message: 'source must be UTF-8' }]);
  }
}
