import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HostilePen, keysWith, onHost, readProgram } from './harness.ts';

const pen = await HostilePen.ofFile();

const PLACES = ['/work', '/tmp', '/var/tmp', '/dev/shm', '/run', '/home', '/', '/etc', '/usr/local'];
const HOST_PLACES = ['/tmp', '/dev/shm'];
/** More jobs than this pen has user ids: some job has the id that the first one had. */
const JOBS = 36;

it('J01 J13 what one job leaves the next does not find, not with the same uid either', async () => {
  const token = `t${randomBytes(8).toString('hex')}`;
  // The control: a program of the host finds what another left.
  await onHost('nobody', 'j01-leave.py', { token, places: HOST_PLACES });
  const { found } = await onHost('nobody', 'j01-look.py', { token, places: HOST_PLACES });
  for (const place of HOST_PLACES) rmSync(`${place}/${token}`);
  expect(found).toEqual(expect.arrayContaining(HOST_PLACES.map((place) => `${place}/${token}`)));
  const left = await pen.ask('j01-leave.py', { token, places: PLACES });
  expect(keysWith(left, 'ok')).toEqual(['/work', '/tmp', '/dev/shm']);
  for (let round = 0; round < JOBS; round += 1) {
    if (round % 12 === 0) expect(await pen.ask('j01-look.py', { token, places: PLACES })).toEqual({ found: [] });
    else await pen.run({ runtime: 'bash', command: ['/bin/true'] });
  }
  expect(pen.lease.uidCount).toBeLessThan(JOBS + 2);
});

it('J02 nothing that one job plants is loaded by another, and no daemon goes on', async () => {
  const load = { path: 'j02-load.sh', text: readProgram('j02-load.sh') };
  const planted = await pen.attack('j02-plant.sh', { files: [load] });
  // The control: the job that planted it does load it, each in its way an end that is none, and its daemon runs.
  expect(JSON.parse(planted.stdout?.text ?? '')).toEqual({ shell: 99, python: 1, node: 99, daemons: 1 });
  const after = await pen.attack('j02-load.sh');
  expect(JSON.parse(after.stdout?.text ?? '')).toEqual({ shell: 0, python: 0, node: 0, daemons: 0 });
});
