import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));
const DESIGN = readFileSync(new URL('../../DESIGN.md', import.meta.url), 'utf8');

/** Source files, as git knows them: tests are told by folder, examples and generated lists are data. */
function sources(): string[] {
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: CLONE, encoding: 'utf8' });
  return tracked
    .split('\n')
    .filter((path) =>
      /^(schemas|audit|auditor|protocol|producer|worker|tracing|ops|native)\/.*\.(ts|rs|lua|sh|py)$/.test(path),
    )
    .filter((path) => !/\/tests\/|\/tests\.rs$/.test(path));
}

/** `folder/` → the names that have a line below it. */
function described(): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  let names = new Set<string>();
  for (const line of DESIGN.slice(DESIGN.indexOf('## 6. Files')).split('\n')) {
    const folder = /^\*\*`(.+)\/`\*\*/.exec(line)?.[1];
    const name = /^- `([^`]+)`: \S/.exec(line)?.[1];
    if (folder !== undefined) {
      names = new Set();
      folders.set(folder, names);
    } else if (name !== undefined) names.add(name);
  }
  return folders;
}

it('DESIGN.md has a line for every source file, and none for a file that is gone', () => {
  const folders = described();
  const paths = sources();
  expect(paths.filter((path) => !folders.get(dirname(path))?.has(basename(path)))).toEqual([]);
  const there = new Set(paths);
  const gone = [...folders].flatMap(([folder, names]) =>
    [...names]
      .map((name) => `${folder}/${name}`)
      .filter((path) => /\.(ts|rs|lua|sh|py)$/.test(path) && !there.has(path)),
  );
  expect(gone.filter((path) => !path.startsWith('test/'))).toEqual([]);
});
