import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

it('H25 no program of the job runs in its build', async () => {
  const tool = { path: 'tool/cc1', text: '#!/bin/sh\ntouch /work/ran; sleep 3; exit 1\n', executable: true };
  const files = ['cc1', 'as', 'collect2', 'ld'].map((name) => ({ ...tool, path: `tool/${name}` }));
  const directory = '/work/tool';
  const env = { GCC_EXEC_PREFIX: `${directory}/`, COMPILER_PATH: directory, PATH: `${directory}:/usr/bin`, K: 'v' };
  const source = '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts(getenv("K")); return 0; }';
  const { outcome, stdout, artifacts } = await pen.run({ runtime: 'c', source, env, files, artifacts: ['ran'] });
  expect([outcome, stdout?.text, artifacts]).toEqual([{ kind: 'exited', exitCode: 0, phase: 'run' }, 'v\n', []]);
  // The control: by hand, after the build, the same compiler takes these programs.
  const command = ['/bin/sh', '-c', 'GCC_EXEC_PREFIX=/work/tool/ gcc -x c -c /dev/null -o x'];
  const byHand = await pen.run({ runtime: 'c', command, files, artifacts: ['ran'] });
  expect(byHand.artifacts).toMatchObject([{ path: 'ran' }]);
});
