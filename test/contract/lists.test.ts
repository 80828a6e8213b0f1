/** Three states of every list: missing is the default, empty allows nothing, anything that is no list is refused. */
import { expect, test } from 'vitest';
import { parseJob, parseWorkerConfig } from '../../schemas/parse.ts';

/** A document with `value` at the dotted path; an absent value leaves only what is around it. */
function placed(base: object, path: string, value?: unknown): string {
  const around = path
    .split('.')
    .reduceRight<unknown>((inner, name) => (inner === undefined ? {} : { [name]: inner }), value);
  return JSON.stringify({ ...base, ...(around as object) });
}

const JOB = { kind: 'job', version: 1, runtime: 'python', source: 'x' };
const CONFIG = { version: 1 };

const lists: [path: string, parse: typeof parseJob | typeof parseWorkerConfig, base: object][] = [
  ...[
    'files',
    'args',
    'artifacts',
    'policy.filesystem.readonlyPaths',
    'policy.filesystem.readwritePaths',
    'policy.filesystem.deniedPaths',
    'policy.network.egress.allow',
    'policy.network.egress.deny',
    'policy.require',
  ].map((path): [string, typeof parseJob, object] => [path, parseJob, JOB]),
  ...['ceilings.syscalls', 'ceilings.loopback', 'roots'].map((path): [string, typeof parseWorkerConfig, object] => [
    path,
    parseWorkerConfig,
    CONFIG,
  ]),
];

test.for(lists)('%s may be missing', ([path, parse, base]) => {
  expect(parse(placed(base, path)).ok).toBe(true);
});

test.for(lists)('%s may be empty, and stays so', ([path, parse, base]) => {
  const document = placed(base, path, []);
  expect(parse(document)).toEqual({ ok: true, value: JSON.parse(document) });
});

test.for(lists)('%s may not be anything but a list', ([path, parse, base]) => {
  for (const value of [null, '', '*', 0, true, {}]) {
    expect(parse(placed(base, path, value))).toMatchObject({ ok: false, issues: [{ path, rule: 'type' }] });
  }
});

test.for(lists)('%s may not hold null', ([path, parse, base]) => {
  expect(parse(placed(base, path, [null]))).toMatchObject({ ok: false, issues: [{ path: `${path}[0]` }] });
});

test.for(['command', 'policy.containment'])(
  '%s may not be empty: a list that names what to do needs a name',
  (path) => {
    const { source: _source, ...noSource } = JOB;
    const base = path === 'command' ? noSource : JOB;
    expect(parseJob(placed(base, path, []))).toMatchObject({ ok: false, issues: [{ path, rule: 'minItems' }] });
  },
);
