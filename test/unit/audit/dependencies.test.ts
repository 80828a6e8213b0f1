// The verifier must be believed without anything that writes logs: it depends on the schemas and Node, and nothing depends backwards.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const CLONE = fileURLToPath(new URL('../../..', import.meta.url));

/** What the files of a folder import: folders of the clone, `node:` for Node, else the package's name. */
function importsOf(folder: string): Set<string> {
  const found = new Set<string>();
  for (const file of globSync(`${folder}/**/*.ts`, { cwd: CLONE })) {
    const text = readFileSync(join(CLONE, file), 'utf8');
    for (const [, from = ''] of text.matchAll(/\bfrom '([^']+)'/g)) {
      const path = relative(CLONE, join(CLONE, dirname(file), from));
      found.add(from.startsWith('node:') ? 'node:' : from.startsWith('.') ? (path.split('/')[0] ?? '') : from);
    }
  }
  return found;
}

it('audit/ needs the schemas and Node', () => {
  expect([...importsOf('audit')].sort()).toEqual(['audit', 'node:', 'schemas']);
});

it('auditor/ needs audit/, protocol/ and the schemas, which need neither it nor the commands', () => {
  expect([...importsOf('auditor')].sort()).toEqual(['audit', 'auditor', 'node:', 'protocol', 'schemas']);
  for (const folder of ['protocol', 'schemas']) {
    for (const above of ['auditor', 'producer', 'worker']) expect(importsOf(folder)).not.toContain(above);
  }
});
