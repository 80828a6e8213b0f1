// Asks `build-image.sh` for the images.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Images } from './qemu.ts';

const BUILD = fileURLToPath(new URL('build-image.sh', import.meta.url));
// The first time a kernel is downloaded and every test program compiled.
const BUILD_TIMEOUT_MS = 15 * 60_000;

/** Makes what is missing of the images (`build-image.sh` tells what they are), and says where they lie. Its progress is on stderr. */
export function buildImages(): Images {
  const output = execFileSync('bash', [BUILD], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: BUILD_TIMEOUT_MS,
  });
  return JSON.parse(output) as Images;
}
