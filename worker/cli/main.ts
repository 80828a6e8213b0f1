#!/usr/bin/env node
// `bullpen-worker`. Nothing else is loaded before the version is known: the rest needs Node 24.

const MINIMUM = 24;

if (Number.parseInt(process.versions.node, 10) < MINIMUM) {
  process.stderr.write(`bullpen-worker needs Node ${MINIMUM} or later; this is Node ${process.versions.node}\n`);
  process.exitCode = 4;
} else {
  const { runCommand } = await import('./commands.ts');
  process.exit(await runCommand(process.argv.slice(2)));
}

export {};
