// The native parts and all Rust tests, compiled so that parts can be left out: in a target directory of their own

import { spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLONE = fileURLToPath(new URL('../..', import.meta.url));
const TARGETS = process.env.CARGO_TARGET_DIR ?? join(CLONE, 'native', 'target');
const FEATURES = 'sandbox/leave-out';

/** Paths of what was built. */
export interface Build {
  forkserver: string;
  addon: string;
  /** Test programs by `CRATE/TARGET`. */
  tests: ReadonlyMap<string, string>;
}

/** Builds what is out of date. Throws when it can't be built. */
export function build(): Build {
  const tests = new Map<string, string>();
  let [forkserver, addon] = ['', ''];
  for (const artifact of [...cargo('build'), ...cargo('test', '--no-run')]) {
    const { target, manifest_path, profile, executable, filenames } = artifact;
    const crate = basename(dirname(manifest_path));
    if (profile.test && executable !== null) tests.set(`${crate}/${target.name}`, executable);
    else if (target.name === 'bullpen-forkserver' && executable !== null) forkserver = executable;
    else if (crate === 'node') addon = filenames.find((name) => name.endsWith('.so')) ?? addon;
  }
  if (forkserver === '' || addon === '') throw new Error('cargo built no forkserver or no addon');
  return { forkserver, addon, tests };
}

/** What cargo says of something that it compiled. */
interface Artifact {
  target: { name: string };
  manifest_path: string;
  profile: { test: boolean };
  executable: string | null;
  filenames: string[];
}

function cargo(command: string, ...more: string[]): Artifact[] {
  const place = ['--manifest-path', join(CLONE, 'native/Cargo.toml'), '--target-dir', join(TARGETS, 'mutants')];
  const words = [
    command,
    '--workspace',
    '--exclude=fuzz',
    '--locked',
    '--features',
    FEATURES,
    ...place,
    '--message-format=json',
    ...more,
  ];
  const { status, stdout, stderr } = spawnSync('cargo', words, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`cargo ${command} ended with ${status}\n${stderr}`);
  const messages = stdout.split('\n').filter((line) => line.startsWith('{'));
  return messages
    .map((line) => JSON.parse(line) as { reason: string } & Artifact)
    .filter(({ reason, manifest_path }) => reason === 'compiler-artifact' && manifest_path.startsWith(CLONE));
}
