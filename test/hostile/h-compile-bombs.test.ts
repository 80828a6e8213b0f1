import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';

const pen = await HostilePen.ofFile();

const LIMITS = { memoryBytes: 96 * MIB };
const doubling = (levels: number) =>
  ['#define A0 1', ...Array.from({ length: levels }, (_, n) => `#define A${n + 1} A${n} + A${n}`)].join('\n');
/** The bomb, and the same of a size that compiles. */
const BOMBS: [string, string, string][] = [
  ['an endless file', '#include "/dev/zero"\n', '#include "/dev/null"\nint main(void) { return 0; }\n'],
  ['endless noise', '#include "/dev/random"\n', '#include <stdlib.h>\nint main(void) { return 0; }\n'],
  [
    'a file that includes itself',
    '#include "main.c"\n#include "main.c"\n',
    '#ifndef ONCE\n#define ONCE\n#include "main.c"\nint main(void) { return 0; }\n#endif\n',
  ],
  [
    'macros that double',
    `${doubling(40)}\nint main(void) { return A40; }\n`,
    `${doubling(4)}\nint main(void) { return A4 - 16; }\n`,
  ],
  [
    'an array of gigabytes in the program',
    'char a[1u << 31] = {1}; int main(void) { return a[1]; }\n',
    'char a[1u << 16] = {1}; int main(void) { return a[1]; }\n',
  ],
  [
    'warnings without end',
    `int main(void) {\n${'#warning x\n'.repeat(60_000)}return 0; }\n`,
    'int main(void) {\n#warning x\nreturn 0; }\n',
  ],
];
const ENDS = [
  'exited',
  'memory-exceeded',
  'output-exceeded',
  'cpu-time-exceeded',
  'wall-time-exceeded',
  'disk-exceeded',
];

for (const [name, bomb, harmless] of BOMBS) {
  it(`H19 a compiler that does not end is ended: ${name}`, async () => {
    const built = await pen.run({ runtime: 'c', source: harmless, limits: LIMITS });
    expect(built.outcome).toEqual({ kind: 'exited', exitCode: 0, phase: 'run' });
    const { outcome, attribution } = await pen.run({ runtime: 'c', source: bomb, limits: LIMITS });
    expect(ENDS).toContain(outcome.kind);
    expect([attribution, 'phase' in outcome && outcome.phase]).toEqual(['guest', 'build']);
  });
}
