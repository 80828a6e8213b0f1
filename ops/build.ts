// Makes dist/: what is published. Plain JavaScript with types, and the data files that the modules read beside themselves.

import { execFileSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLONE = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(CLONE, 'dist');
const DATA = ['schemas/*.json', 'protocol/**/*.lua', 'worker/**/*.json'];

process.chdir(CLONE);
rmSync(DIST, { recursive: true, force: true });
execFileSync(join(CLONE, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
for (const file of globSync(DATA)) cpSync(file, join(DIST, file));
for (const command of commands()) mustBeExecutable(command);

function commands(): string[] {
  return Object.values((JSON.parse(readFileSync('package.json', 'utf8')) as { bin: Record<string, string> }).bin);
}

/** npm links a command as it is: without this line the shell would take it for a script of its own. */
function mustBeExecutable(path: string): void {
  if (!readFileSync(path, 'utf8').startsWith('#!/usr/bin/env node\n')) {
    throw new Error(`${path} does not begin with #!/usr/bin/env node`);
  }
}
