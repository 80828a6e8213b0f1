// One contract, two doors: TypeScript's at the producer and the worker, Rust's before the sandbox.

import { expect, test } from 'vitest';
import { JOB_MAX_BYTES, parseJob } from '../../schemas/parse.ts';
import { addon } from './addon.ts';
import { invalidExamples, validExamples } from './examples.ts';

type Verdict = { ok: boolean; issues?: { path: string; rule: string; message: string }[] };

function rust(bytes: Uint8Array, maxBytes = JOB_MAX_BYTES): Verdict {
  return JSON.parse(addon.parseJob(Buffer.from(bytes), maxBytes));
}

/** What is wrong, as `path: rule`. */
function places({ issues = [] }: Verdict): string[] {
  return issues.map(({ path, rule }) => `${path}: ${rule}`);
}

/** One verdict, and of what is wrong at least one thing that both name; with several things the order is free. */
function disagreement(document: Uint8Array): string | null {
  const [typescript, native] = [parseJob(document) as Verdict, rust(document)];
  const named = places(typescript);
  const agreed = typescript.ok === native.ok && (native.ok || places(native).some((place) => named.includes(place)));
  return agreed ? null : `${JSON.stringify([named, places(native)])} ${Buffer.from(document).toString('latin1')}`;
}

const jobs = validExamples().filter(({ kind }) => kind === 'job');
const wrongJobs = invalidExamples().filter(({ kind }) => kind === 'job');

test.for([...jobs, ...wrongJobs])('$name has one verdict', ({ bytes }) => {
  expect(disagreement(bytes)).toBeNull();
});

test.for(wrongJobs)('$name is refused for what it is an example of', ({ bytes, expected }) => {
  expect(places(rust(bytes))[0]).toBe(`${expected.path}: ${expected.rule}`);
});

/** A reproducible stream of numbers from 0 to `below`. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const SPLICES = [
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  '0',
  '1e9',
  '1.0',
  '-0',
  'null',
  'true',
].concat([
  '"kind":"job",',
  '"__proto__":1,',
  ' ',
  '\n',
  '\ufeff',
  '\u0007',
  'é',
  '9007199254740993',
  '"version":1,',
  '/',
  '..',
]);

/** A document with up to three pieces cut out, doubled, moved or put in. */
function mutate(bytes: Buffer, next: (below: number) => number): Buffer {
  let text = bytes;
  for (let round = next(3); round >= 0; round -= 1) {
    const at = next(text.length + 1);
    const end = Math.min(text.length, at + next(12));
    const piece = [
      Buffer.from(SPLICES[next(SPLICES.length)] ?? ''),
      Buffer.of(next(256)),
      text.subarray(at, end),
      Buffer.alloc(0),
    ][next(4)] as Buffer;
    text = Buffer.concat([text.subarray(0, at), piece, text.subarray(next(2) ? at : end)]);
  }
  return text;
}

test('whatever is done to a document, both doors say the same', () => {
  const next = numbers(20260101);
  const verdicts = { accepted: 0, refused: 0 };
  const all = [...jobs, ...wrongJobs].filter(({ bytes }) => bytes.length < 20_000);
  for (let round = 0; round < 8000; round += 1) {
    const document = mutate(all[next(all.length)]?.bytes as Buffer, next);
    const answer = disagreement(document);
    if (answer !== null) throw new Error(answer);
    verdicts[rust(document).ok ? 'accepted' : 'refused'] += 1;
  }
  expect(verdicts.accepted).toBeGreaterThan(100);
  expect(verdicts.refused).toBeGreaterThan(100);
});
