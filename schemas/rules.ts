/**
 * The rules that a schema can't say, checked after it passed. The Rust door (`native/sandbox/src/door`) has the same ones by the same names.
 *
 * Job. Bytes are those of UTF-8. `X` stands for `stdin` and each `files[i]`.
 *
 * | rule             | path                               | refused                                                                        |
 * |------------------|------------------------------------|--------------------------------------------------------------------------------|
 * | `exactly-one-of` | `source`                           | neither or both of `source`, `command`                                         |
 * | `minLength`      | `command[0]`                       | empty                                                                          |
 * | `nul`            | `command[i]` `args[i]` `env.K`     | has U+0000                                                                     |
 * | `size`           | `command[i]` `args[i]` `env.K`     | above 131071 bytes (of `env.K`: `K=VALUE`)                                     |
 * | `size`           | `env`, `command` or `args`         | command, args and env (`K=VALUE`), a NUL after each, above 1 MiB together. The path is `env` if env alone is more than half of it, else `command` if there is one, else `args` |
 * | `path`           | `cwd`                              | not absolute and normalised (no trailing `/` except `/`); control characters; above 4096 bytes; `/proc`, `/sys`, `/dev` or below |
 * | `exactly-one-of` | `X`                                | not exactly one of `text`, `base64`, `blob`                                    |
 * | `required`       | `X.bytes`                          | missing beside `blob`                                                          |
 * | `blob-only`      | `X.bytes`                          | there without `blob`                                                           |
 * | `base64`         | `X.base64`                         | not canonical: standard alphabet, padded, unused bits zero, nothing between    |
 * | `path`           | `files[i].path`                    | not relative and normalised: see `path-rules.ts`                               |
 * | `duplicate-path` | `files[i].path`                    | equal to an earlier file, above it or below it, when both are NFC, lower case, NFC |
 * | `path`, `glob`   | `artifacts[i]`                     | see `path-rules.ts`                                                            |
 * | `size`           | `source`, `stdin` or `files`       | source, stdin and files, decoded, above 16 MiB together. The path is `source` or `stdin` if that alone is above, else `files` |
 *
 * Policy, wherever one stands inline (`policy`, and in a worker configuration `defaults`, `policies.NAME`): see `policy-rules.ts`.
 * Worker configuration, `roots`: see `host-path-rules.ts`. `user` (rule `user`): neither id is among `uids`. `http.socket`
 * (rule `exactly-one-of`): not beside `http.host` or `http.port`.
 * The rules `ceiling`, `unknown-runtime`, `unknown-policy`, `reserved-path` and those of host paths need the worker's configuration and are checked by the engine.
 *
 * Result: `exactly-one-of` at `stdout`, `stderr`, `build.stdout`, `build.stderr` and each collected `artifacts[i]`, as for a job's contents.
 */

import { DEFAULT_WORKER_CONFIG } from './defaults.ts';
import { checkRoots } from './host-path-rules.ts';
import { fieldOf, type Issue, issue, itemOf } from './issue.ts';
import { checkPatterns, checkWorkingDirectory, checkWorkspacePaths } from './path-rules.ts';
import { checkPolicy } from './policy-rules.ts';
import type { Content, Job, OutputStream, Result, WorkerConfig } from './types.ts';

/** Inputs of one job together: source, stdin and files, decoded. Bytes. */
export const INPUT_MAX_BYTES = 16 * 1024 * 1024;
/** One argument, or one `NAME=VALUE` of the environment, without its NUL: the kernel's MAX_ARG_STRLEN. Bytes. */
export const STRING_MAX_BYTES = 131_071;
/** Command, args and environment together, a NUL after each. Bytes. */
export const STRINGS_MAX_BYTES = 1024 * 1024;

/** What the schema can't say about a job. */
export function checkJob(job: Job): Issue[] {
  return [
    ...checkProgram(job),
    ...checkStrings(job),
    ...(job.cwd === undefined ? [] : checkWorkingDirectory('cwd', job.cwd)),
    ...contentsOf(job).flatMap(([path, content]) => checkContent(path, content)),
    ...checkWorkspacePaths(job.files ?? []),
    ...checkPatterns(job.artifacts ?? []),
    ...checkInputSize(job),
    ...(job.policy === undefined || 'name' in job.policy ? [] : checkPolicy('policy', job.policy)),
  ];
}

/** What the schema can't say about a worker's configuration. */
export function checkWorkerConfig(config: WorkerConfig): Issue[] {
  const named = Object.entries(config.policies ?? {}).map(([name, policy]) => [`policies.${name}`, policy] as const);
  const all = config.defaults === undefined ? named : [['defaults', config.defaults] as const, ...named];
  return [
    ...checkRoots(config.roots ?? []),
    ...checkUser(config),
    ...checkHttp(config),
    ...all.flatMap(([path, policy]) => checkPolicy(path, policy)),
  ];
}

/** What the schema can't say about a result. */
export function checkResultContents(result: Result): Issue[] {
  const streams: [string, OutputStream | undefined][] = [
    ['stdout', result.stdout],
    ['stderr', result.stderr],
    ['build.stdout', result.build?.stdout],
    ['build.stderr', result.build?.stderr],
  ];
  const artifacts = result.artifacts.map((artifact, index) => [itemOf('artifacts', index), artifact] as const);
  return [...streams, ...artifacts].flatMap(([path, content]) =>
    content === undefined || 'rejected' in content ? [] : checkOneForm(path, content),
  );
}

function checkProgram(job: Job): Issue[] {
  if ((job.source === undefined) === (job.command === undefined)) {
    return [issue('source', 'exactly-one-of', 'or command must be there: exactly one of the two')];
  }
  return job.command?.[0] === '' ? [issue('command[0]', 'minLength', 'must not be empty')] : [];
}

function checkStrings(job: Job): Issue[] {
  const list = (path: string, items: string[] = []) => items.map((item, index) => [itemOf(path, index), item] as const);
  const programStrings = [...list('command', job.command), ...list('args', job.args)];
  const variables = Object.entries(job.env ?? {}).map(
    ([name, value]) => [fieldOf('env', name), `${name}=${value}`] as const,
  );
  return [
    ...[...programStrings, ...variables].flatMap(([path, text]) => checkString(path, text)),
    ...checkStringsTogether(job, programStrings.map(withoutPath), variables.map(withoutPath)),
  ];
}

const withoutPath = ([, text]: readonly [string, string]): string => text;

function checkString(path: string, text: string): Issue[] {
  if (text.includes('\0')) return [issue(path, 'nul', 'must not have a NUL character')];
  if (Buffer.byteLength(text) <= STRING_MAX_BYTES) return [];
  return [issue(path, 'size', `must be at most ${STRING_MAX_BYTES} bytes long`)];
}

function checkStringsTogether(job: Job, program: string[], variables: string[]): Issue[] {
  const size = (texts: string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  const environment = size(variables);
  const total = size(program) + environment;
  if (total <= STRINGS_MAX_BYTES) return [];
  const path = environment * 2 > total ? 'env' : job.command === undefined ? 'args' : 'command';
  return [issue(path, 'size', `must leave command, args and env together at ${STRINGS_MAX_BYTES} bytes or less`)];
}

function contentsOf(job: Job): [string, Content][] {
  const files = (job.files ?? []).map((file, index): [string, Content] => [itemOf('files', index), file]);
  return job.stdin === undefined ? files : [['stdin', job.stdin], ...files];
}

function checkContent(path: string, content: Content): Issue[] {
  const found = checkOneForm(path, content);
  if (found.length > 0) return found;
  const bytes = fieldOf(path, 'bytes');
  if (content.blob !== undefined) {
    return content.bytes === undefined ? [issue(bytes, 'required', 'must be there: the size of the blob')] : [];
  }
  if (content.bytes !== undefined) return [issue(bytes, 'blob-only', 'must not be there without blob')];
  if (content.base64 === undefined || isCanonicalBase64(content.base64)) return [];
  return [
    issue(fieldOf(path, 'base64'), 'base64', 'must be canonical base64: standard alphabet, padded, no white space'),
  ];
}

function checkOneForm(path: string, content: Content): Issue[] {
  const forms = [content.text, content.base64, content.blob].filter((form) => form !== undefined);
  if (forms.length === 1) return [];
  return [issue(path, 'exactly-one-of', 'must have exactly one of text, base64, blob')];
}

function isCanonicalBase64(text: string): boolean {
  return text.length % 4 === 0 && Buffer.from(text, 'base64').toString('base64') === text;
}

function checkInputSize(job: Job): Issue[] {
  const source = Buffer.byteLength(job.source ?? '');
  const stdin = job.stdin === undefined ? 0 : sizeOf(job.stdin);
  const total = (job.files ?? []).reduce((sum, file) => sum + sizeOf(file), source + stdin);
  if (total <= INPUT_MAX_BYTES) return [];
  const path = source > INPUT_MAX_BYTES ? 'source' : stdin > INPUT_MAX_BYTES ? 'stdin' : 'files';
  return [issue(path, 'size', `must leave source, stdin and files together at ${INPUT_MAX_BYTES} bytes or less`)];
}

function sizeOf(content: Content): number {
  if (content.text !== undefined) return Buffer.byteLength(content.text);
  if (content.base64 !== undefined) return Buffer.byteLength(content.base64, 'base64');
  return content.bytes ?? 0;
}

/** Whom the worker becomes must be no sandbox's user. */
function checkUser({ user, uids = DEFAULT_WORKER_CONFIG.uids }: WorkerConfig): Issue[] {
  const isSlot = (id: number) => id >= uids.first && id < uids.first + uids.count;
  return (['uid', 'gid'] as const)
    .filter((field) => user !== undefined && isSlot(user[field]))
    .map((field) => issue(`user.${field}`, 'user', 'must not be among the uids of sandboxes'));
}

function checkHttp({ http: { host, port, socket } = {} }: WorkerConfig): Issue[] {
  if (socket === undefined || (host === undefined && port === undefined)) return [];
  return [issue('http.socket', 'exactly-one-of', 'must not stand beside host or port')];
}
