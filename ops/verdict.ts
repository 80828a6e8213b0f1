// Compares what came of a sample with what was expected of it.

import type { Result } from '../schemas/types.ts';
import type { Expectation } from './samples.ts';

/** Everything that is not as expected, a phrase each; empty when all is. */
export function judge(expect: Expectation, result: Result): string[] {
  const outcome = result.outcome as unknown as Record<string, unknown>;
  const problems: string[] = [];
  const compare = (what: string, wanted: unknown, got: unknown): void => {
    if (wanted !== undefined && wanted !== got) problems.push(`${what}: ${show(got)} instead of ${show(wanted)}`);
  };
  for (const name of ['kind', 'exitCode', 'phase', 'signal', 'field'] as const)
    compare(name, expect[name], outcome[name]);
  compare('stdout', expect.stdout, result.stdout?.text);
  if (expect.stderrHas !== undefined && !result.stderr?.text?.includes(expect.stderrHas)) {
    problems.push(`stderr: ${show(result.stderr?.text)} without ${show(expect.stderrHas)}`);
  }
  for (const [path, text] of Object.entries(expect.artifacts ?? {})) {
    const artifact = result.artifacts.find((candidate) => candidate.path === path) as
      | { text?: string; base64?: string }
      | undefined;
    compare(path, text, artifact && (artifact.text ?? Buffer.from(artifact.base64 ?? '', 'base64').toString()));
  }
  return problems;
}

/** An outcome in a word or two: `exited 7`, `signaled SIGSEGV`, `rejected policy.limits.memoryBytes`. */
export function describeOutcome(result: Result): string {
  const { kind, phase, ...rest } = result.outcome as unknown as Record<string, unknown>;
  const detail = rest.exitCode ?? rest.signal ?? rest.field ?? rest.layer ?? rest.step ?? rest.reason ?? '';
  return `${kind} ${detail}`.trim() + (phase === 'build' ? ' (build)' : '');
}

function show(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 200) ?? 'nothing';
}
