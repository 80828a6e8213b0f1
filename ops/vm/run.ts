// Runs one command in the emulated host, for a person: `node ops/vm/run.ts [--rootless] COMMAND [ARGUMENT…]`.
// Its output and status become ours; a signal is 128 + n, as in a shell.

import { buildImages } from './images.ts';
import { Vm } from './vm.ts';

const LIFETIME_MS = 10 * 60_000;

const [first, ...rest] = process.argv.slice(2);
const user = first === '--rootless' ? 'rootless' : 'root';
const argv = user === 'rootless' ? rest : first === undefined ? [] : [first, ...rest];
if (argv.length === 0) {
  console.error('usage: node ops/vm/run.ts [--rootless] COMMAND [ARGUMENT…]');
  process.exit(2);
}

await using vm = await Vm.boot(buildImages(), LIFETIME_MS);
console.error(`booted in ${vm.bootMs} ms, attempt ${vm.attempts}`);
const { stdout, stderr, status, signal, timedOut, ms } = await vm.run({ argv, user, timeoutMs: LIFETIME_MS / 2 });
process.stdout.write(stdout);
process.stderr.write(stderr);
console.error(`${timedOut ? 'killed' : 'ended'} after ${ms} ms`);
process.exitCode = status ?? 128 + (signal ?? 0);
