/** Documents too large to keep as files. Each is refused, by name, in a time that doesn't hurt. */
import { expect, test } from 'vitest';
import { JOB_MAX_BYTES, parseJob, RUN_MAX_BYTES } from '../../schemas/parse.ts';

const MIB = 1024 * 1024;
const JOB = { kind: 'job', version: 1, runtime: 'python', source: 'x' };
const job = (fields: object): string => JSON.stringify({ ...JOB, ...fields });
const source = (bytes: number): string => job({ source: 'x'.repeat(bytes - job({ source: '' }).length) });
const file = (path: string) => ({ path, text: '' });

const run = { maxBytes: RUN_MAX_BYTES };

const refused: [name: string, document: string, path: string, rule: string, door?: { maxBytes: number }][] = [
  ['5 MiB', job({ source: 'x'.repeat(5 * MIB) }), '', 'size'],
  ['2 MiB and one byte', source(JOB_MAX_BYTES + 1), '', 'size'],
  ['2 MiB of two-byte characters counted as characters', job({ source: 'é'.repeat(1.5 * MIB) }), '', 'size'],
  ['25 MiB to run', job({ source: 'x'.repeat(25 * MIB) }), '', 'size', run],
  ['depth 10,000', '['.repeat(10_000) + ']'.repeat(10_000), '', 'depth'],
  ['depth 1,000,000, never closed', '['.repeat(1_000_000), '', 'depth'],
  ['depth 200,000 of objects', '{"a":'.repeat(200_000), '', 'depth'],
  ['a file name of 5,000 bytes', job({ files: [file('a'.repeat(5000))] }), 'files[0].path', 'maxLength'],
  ['a cwd of 5,000 bytes', job({ cwd: `/${'a/'.repeat(2500)}a` }), 'cwd', 'maxLength'],
  ['an id of 1 MiB', job({ id: 'i'.repeat(MIB) }), 'id', 'pattern'],
  [
    'an unknown field with a name of 1 MiB',
    job({ ['x'.repeat(MIB)]: 1 }),
    `${'x'.repeat(256)}…`,
    'additionalProperties',
  ],
  [
    '100,000 unknown variables',
    job({ env: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [i, ''])) }),
    'env',
    'maxProperties',
  ],
  ['500,000 arguments', job({ args: Array.from({ length: 500_000 }, () => '') }), 'args', 'maxItems'],
  [
    '300,000 times the same layer',
    job({ policy: { require: Array.from({ length: 180_000 }, () => 'seccomp') } }),
    'policy.require',
    'maxItems',
  ],
  ['4,097 files', job({ files: Array.from({ length: 4097 }, (_, i) => file(`f${i}`)) }), 'files', 'maxItems'],
  ['an argument of 128 KiB', job({ args: ['x'.repeat(131_072)] }), 'args[0]', 'maxLength'],
  ['an argument of 128 KiB of two-byte characters', job({ args: ['é'.repeat(65_536)] }), 'args[0]', 'size'],
  ['a variable of 128 KiB with its name', job({ env: { NAME: 'x'.repeat(131_071 - 4) } }), 'env.NAME', 'size'],
  ['args above 1 MiB', job({ args: Array.from({ length: 11 }, () => 'x'.repeat(100_000)) }), 'args', 'size'],
  [
    'a command above 1 MiB',
    JSON.stringify({
      kind: 'job',
      version: 1,
      runtime: 'bash',
      command: ['echo', ...Array.from({ length: 11 }, () => 'x'.repeat(100_000))],
    }),
    'command',
    'size',
  ],
  [
    'an environment above 1 MiB',
    job({ env: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`V${i}`, 'x'.repeat(100_000)])) }),
    'env',
    'size',
  ],
  ['source above 16 MiB', job({ source: 'x'.repeat(16 * MIB + 1) }), 'source', 'maxLength', run],
  ['source above 16 MiB in two-byte characters', job({ source: 'é'.repeat(8 * MIB + 1) }), 'source', 'size', run],
  [
    'stdin above 16 MiB',
    job({ stdin: { base64: Buffer.alloc(16 * MIB + 1).toString('base64') } }),
    'stdin',
    'size',
    run,
  ],
  [
    'files above 16 MiB together',
    job({
      files: [
        { path: 'a', text: 'x'.repeat(9 * MIB) },
        { path: 'b', base64: Buffer.alloc(8 * MIB).toString('base64') },
      ],
    }),
    'files',
    'size',
    run,
  ],
  ['a number of 1,000,000 digits', `{"priority":1${'0'.repeat(1_000_000)}}`, 'priority', 'number'],
  ['100,000 times the same key', `{${'"a":1,'.repeat(100_000)}"a":1}`, 'a', 'duplicate-key'],
];

test.for(refused)('%s is refused', ([, document, path, rule, door]) => {
  const bytes = Buffer.from(document);
  const before = performance.now();
  const answer = parseJob(bytes, door);
  expect(performance.now() - before).toBeLessThan(2000);
  if (answer.ok) throw new Error('accepted');
  expect(answer.issues.map((one) => [one.path, one.rule])).toEqual([[path, rule]]);
  expect(answer.issues[0]?.message.length).toBeLessThanOrEqual(1000);
});

const accepted: [name: string, document: string, door?: { maxBytes: number }][] = [
  ['2 MiB to the byte', source(JOB_MAX_BYTES)],
  ['16 MiB of stdin as base64', job({ source: '', stdin: { base64: Buffer.alloc(16 * MIB).toString('base64') } }), run],
  ['16 MiB of source', job({ source: 'x'.repeat(16 * MIB) }), run],
  ['4,096 files', job({ files: Array.from({ length: 4096 }, (_, i) => file(`d/${i}/f`)) })],
  ['4,096 arguments', job({ args: Array.from({ length: 4096 }, () => 'x') })],
  ['an argument of 128 KiB less its NUL', job({ args: ['x'.repeat(131_071)] })],
];

test.for(accepted)('%s is accepted', ([, document, door]) => {
  expect(parseJob(Buffer.from(document), door).ok).toBe(true);
});

test('several issues are all listed, up to 20', () => {
  const answer = parseJob(job({ files: Array.from({ length: 30 }, (_, i) => file(`../${i}`)), cwd: 'x' }));
  expect(answer.ok ? 0 : answer.issues.length).toBe(20);
});
