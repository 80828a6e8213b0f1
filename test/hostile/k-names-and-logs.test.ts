import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';

const pen = await HostilePen.ofFile();

const ODD = ['a\nb', '\u001b[2J', '%s%n', '{"msg":"x"}', '\u202eabc', 'a b', '../x', '', 'x'.repeat(MIB)];

it('K14 names that would break a line, a terminal or a path are refused', async () => {
  for (const field of ['id', 'tenant']) {
    for (const name of ODD) {
      const { outcome } = await pen.run({ source: '', [field]: name });
      expect(outcome, JSON.stringify(name).slice(0, 40)).toMatchObject({ kind: 'rejected', field });
    }
  }
  const labels = { id: 'fine-1', tenant: 'fine_2' };
  expect((await pen.run({ runtime: 'bash', source: 'true', ...labels })).outcome.kind).toBe('exited');
});

it('K14 what is said of a refused name is short', async () => {
  for (const name of ODD) {
    const { outcome } = await pen.run({ source: '', [`f${name}`]: 1 });
    if (outcome.kind !== 'rejected') throw new Error(outcome.kind);
    expect(outcome.message.length).toBeLessThanOrEqual(1_000);
  }
});

it('K14 a log is one JSON object a line, whatever is in it', () => {
  const script = `
    import { createLog } from './worker/log.ts';
    const log = createLog({ level: 'info', descriptor: 1 });
    for (const name of ${JSON.stringify(ODD.slice(0, -1))}) log.info({ job: name, tenant: name }, name);
  `;
  const stdout = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' });
  const lines = stdout.trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { job: string }).job)).toEqual(ODD.slice(0, -1));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});
