// A copy of the clone in which the native parts are those of a build for mutants: programs find theirs beside their sources

import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Build, CLONE } from './build.ts';

const COPIED = [
  'DESIGN.md',
  'README.md',
  'package.json',
  'vitest.config.ts',
  'ops',
  'producer',
  'protocol',
  'schemas',
  'test',
  'worker',
];

/** Makes the copy anew and gives its directory. Copied and not linked: Node resolves links before it looks beside a file. */
export function plant({ forkserver, addon }: Build): string {
  const tree = join(CLONE, '.bullpen', 'mutants', 'tree');
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, 'native', 'bin'), { recursive: true });
  for (const name of COPIED) cpSync(join(CLONE, name), join(tree, name), { recursive: true });
  symlinkSync(join(CLONE, 'node_modules'), join(tree, 'node_modules'));
  cpSync(forkserver, join(tree, 'native/bin/bullpen-forkserver'));
  cpSync(addon, join(tree, 'native/bin/bullpen.node'));
  return tree;
}
