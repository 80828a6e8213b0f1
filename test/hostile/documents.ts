// Documents as text, for what no object can say: the door sees the bytes.

import { expect } from 'vitest';
import type { HostilePen } from './harness.ts';

/** A document that runs, with more written behind its last field. */
export function job(more = ''): string {
  return `{"kind":"job","version":1,"runtime":"bash","source":"true"${more}}`;
}

/** It is refused, by that rule where one is named, before there is a sandbox. */
export async function refuse(pen: HostilePen, bytes: string, rule?: string): Promise<void> {
  const { outcome, sandbox } = await pen.run(bytes);
  expect(outcome, bytes.slice(0, 80)).toMatchObject({ kind: 'rejected', ...(rule ? { rule } : {}) });
  expect(sandbox).toBeUndefined();
}
