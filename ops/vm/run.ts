// Runs one command in the emulated host, for a person: `npm exec -- node ops/vm/run.ts [--v1] [--rootless] COMMAND [ARGUMENT…]`.
// Its output and status become ours; a signal is 128 + n, as in a shell.

import { buildImages } from './images.ts';
import { Vm } from './vm.ts';

const LIFETIME_MS = 10 * 60_000;

const { argv, flags } = parse(process.argv.slice(2));
if (argv.length === 0) {
  console.error('usage: npm exec -- node ops/vm/run.ts [--v1] [--rootless] COMMAND [ARGUMENT…]');
  process.exit(2);
}

await using vm = await Vm.boot(buildImages(), { cgroups: flags.has('--v1') ? 'v1' : 'v2', lifetimeMs: LIFETIME_MS });
console.error(`booted in ${vm.bootMs} ms, attempt ${vm.attempts}`);
const { stdout, stderr, status, signal, timedOut, ms } = await vm.run({
  argv,
  user: flags.has('--rootless') ? 'rootless' : 'root',
  timeoutMs: LIFETIME_MS / 2,
});
process.stdout.write(stdout);
process.stderr.write(stderr);
console.error(`${timedOut ? 'killed' : 'ended'} after ${ms} ms`);
process.exitCode = status ?? 128 + (signal ?? 0);

/** Ours are the flags before the command, all others are the command's. */
function parse(words: string[]): { argv: string[]; flags: Set<string> } {
  const begin = words.findIndex((word) => word !== '--v1' && word !== '--rootless');
  const argv = begin < 0 ? [] : words.slice(begin);
  return { argv, flags: new Set(words.slice(0, words.length - argv.length)) };
}
