import { basename } from 'node:path';
import { INPUT_MAX_BYTES, JOB_MAX_BYTES, parsePolicy } from '../../schemas/parse.ts';
import type { InputFile, Job } from '../../schemas/types.ts';
import { InvalidJobError } from '../errors.ts';
import { asContent, isExecutable, readBounded } from './input.ts';
import { UsageError } from './usage-error.ts';
import { type Call, optionalText } from './verb.ts';

/** What the command line says over every document that it submits. */
export type Overrides = Pick<Job, 'id' | 'policy' | 'stdin'> & { files: InputFile[] };

/** Reads `--id`, `--policy`, `--stdin` and `--file`. */
export async function readOverrides(call: Call): Promise<Overrides> {
  const id = optionalText(call, 'id');
  const policy = optionalText(call, 'policy');
  const stdin = optionalText(call, 'stdin');
  const files = [call.values['file'] ?? []].flat().map(String);
  return {
    ...(id !== undefined && { id }),
    ...(policy !== undefined && { policy: await readPolicy(policy) }),
    ...(stdin !== undefined && { stdin: asContent(await readBounded(stdin, INPUT_MAX_BYTES)) }),
    files: await Promise.all(files.map(readFile)),
  };
}

/** The document with what the command line says over it: files are added, the rest is replaced. */
export function override(job: Job, { files, ...others }: Overrides): Job {
  return { ...job, ...others, ...(files.length > 0 && { files: [...(job.files ?? []), ...files] }) };
}

async function readPolicy(option: string): Promise<NonNullable<Job['policy']>> {
  if (option.startsWith('@')) return { name: option.slice(1) };
  const parsed = parsePolicy(await readBounded(option, JOB_MAX_BYTES));
  if (parsed.ok) return parsed.value;
  throw new InvalidJobError(
    parsed.issues.map((issue) => ({ ...issue, path: issue.path ? `policy.${issue.path}` : 'policy' })),
  );
}

async function readFile(option: string): Promise<InputFile> {
  const [, path, source] = /^([^=]+)=(.+)$/s.exec(option) ?? [];
  if (path === undefined || source === undefined) {
    throw new UsageError(`--file takes DEST=SRC, such as data/${basename(option)}=${option}`);
  }
  const content = asContent(await readBounded(source, INPUT_MAX_BYTES));
  return { path, ...content, ...((await isExecutable(source)) && { executable: true }) };
}
