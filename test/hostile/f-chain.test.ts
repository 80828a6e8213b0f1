import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F11 the chain from a held directory stops at its first link', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-chain-'));
  const victim = join(directory, 'victim');
  try {
    writeFileSync(victim, 'whole');
    expect(await onHost('root', 'f11-chain.py', { directory })).toEqual({ chain: 'ok' });
    expect(readFileSync(victim, 'utf8')).toBe('written');
    writeFileSync(victim, 'whole');
    expect(await pen.ask('f11-chain.py', { directory: '/' })).toEqual({ chain: 'EPERM' });
    expect(readFileSync(victim, 'utf8')).toBe('whole');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
