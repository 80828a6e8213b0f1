// Proves in the same run what each row enforced: the posture of a process in it, and a canary on the host that it must not read.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Subject } from './subjects.ts';

export interface Proof {
  subject: string;
  /** A world-readable file on the host was read by the program. */
  canaryRead: boolean;
  /** Lines of the program's own /proc/self/status. */
  posture: Record<string, string>;
  lacks: string;
}

const FIELDS = ['Uid', 'NoNewPrivs', 'Seccomp', 'CapEff', 'CapBnd'];
const CONFINED: Record<string, string> = {
  NoNewPrivs: '1',
  Seccomp: '2',
  CapEff: '0000000000000000',
  CapBnd: '0000000000000000',
};

/** Reads each subject's posture and lets it try the canary. Throws when a row that claims confinement hasn't got it. */
export async function proveConfinement(subjects: Subject[]): Promise<Proof[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-bench-canary-'));
  chmodSync(directory, 0o755);
  const canary = join(directory, 'canary');
  writeFileSync(canary, 'canary', { mode: 0o644 });
  try {
    const proofs: Proof[] = [];
    for (const subject of subjects) proofs.push(await prove(subject, canary));
    if (!proofs.some((proof) => proof.subject === 'spawn' && proof.canaryRead))
      throw new Error('the canary can be read by nobody: it proves nothing');
    return proofs;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function prove(subject: Subject, canary: string): Promise<Proof> {
  const { stdout } = await subject.run(['/bin/sh', '-c', `cat /proc/self/status; cat ${canary} 2>/dev/null; exit 0`]);
  const posture = Object.fromEntries(
    FIELDS.map((name) => [name, new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(stdout)?.[1]?.replaceAll('\t', ' ') ?? '']),
  );
  const proof = { subject: subject.name, canaryRead: stdout.endsWith('canary'), posture, lacks: subject.lacks };
  if (subject.name !== 'spawn' && proof.canaryRead) throw new Error(`${subject.name}: the canary was read`);
  const open = Object.entries(CONFINED).filter(([name, value]) => posture[name] !== value);
  if (subject.lacks.startsWith('nothing') && open.length > 0)
    throw new Error(`${subject.name} is not confined: ${JSON.stringify(posture)}`);
  return proof;
}
