import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { JOB_MAX_BYTES, type Parsed, parseJob } from '../../schemas/parse.ts';
import { invalidExamples, validExamples } from './examples.ts';
import { mutantsOf } from './mutants.ts';

/** The Rust door, by the addon; the TypeScript one is imported. Both must say the same of any bytes whatever. */
const addon = createRequire(import.meta.url)(
  fileURLToPath(new URL('../../native/bin/bullpen.node', import.meta.url)),
) as { parseJob(bytes: Buffer, maxBytes: number): string };

interface Verdict {
  ok: boolean;
  first: { path: string; rule: string } | null;
  message: string;
}

function verdictOf(parsed: Parsed<unknown>): Verdict {
  if (parsed.ok) return { ok: true, first: null, message: '' };
  const [first] = parsed.issues;
  return { ok: false, first: first ? { path: first.path, rule: first.rule } : null, message: first?.message ?? '' };
}

const inTypeScript = (bytes: Buffer): Verdict => verdictOf(parseJob(bytes));
const inRust = (bytes: Buffer): Verdict => verdictOf(JSON.parse(addon.parseJob(bytes, JOB_MAX_BYTES)));

/** The last name in a path: `policy.limits.memoryBytes` → `memoryBytes`, `files[0].path` → `path`. */
const fieldOf = (path: string): string => /([^.[\]]+)(\[\d+\])*$/.exec(path)?.[1] ?? '';

describe('both doors', () => {
  const jobs = [...validExamples(), ...invalidExamples()].filter((example) => example.kind === 'job');

  it.each(jobs.map((job) => [job.name, job] as const))('say the same of %s', (_name, job) => {
    const [typescript, rust] = [inTypeScript(job.bytes), inRust(job.bytes)];
    expect({ ok: rust.ok, first: rust.first }).toEqual({ ok: typescript.ok, first: typescript.first });
    for (const { ok, first, message } of [typescript, rust])
      if (!ok) expect(message).toContain(fieldOf(first?.path ?? ''));
  });

  it('say the same of 12,000 seeded mutants of the valid documents, some of which pass', () => {
    const valid = validExamples().filter((example) => example.kind === 'job');
    let passed = 0;
    for (const mutant of mutantsOf(
      valid.map((example) => example.bytes),
      { count: 12_000, seed: 1 },
    )) {
      const [typescript, rust] = [inTypeScript(mutant), inRust(mutant)];
      if (typescript.ok !== rust.ok)
        throw new Error(`TypeScript ${JSON.stringify(typescript)}, Rust ${JSON.stringify(rust)}: ${mutant}`);
      if (rust.ok) passed += 1;
    }
    expect(passed).toBeGreaterThan(100);
    expect(passed).toBeLessThan(11_000);
  });
});
