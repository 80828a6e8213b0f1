// How cargo is called here: clippy, tests and the addon's release build share what they compile.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLONE = fileURLToPath(new URL('..', import.meta.url));
const TARGETS = process.env.CARGO_TARGET_DIR ?? join(CLONE, 'native', 'target');

/** The words of a cargo command over the whole workspace, for a shell in the clone. Throws if there is no `rustc`. */
export function cargo(subcommand: string, ...more: string[]): string[] {
  const triple = /^host: (.+)$/m.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout)?.[1];
  if (triple === undefined) throw new Error('rustc does not say its host');
  const place = ['--manifest-path', 'native/Cargo.toml', '--target', triple, '--target-dir', join(TARGETS, 'addon')];
  return ['cargo', subcommand, '--workspace', '--locked', ...place, ...more];
}
