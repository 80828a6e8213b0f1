import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';

/** Nothing of a job is unpacked: archives and compressions are refused by name, and bytes are bytes. */
const pen = await HostilePen.ofFile();

it('B12 archives are no field of a job', async () => {
  for (const field of ['archive', 'archives', 'tar', 'zip', 'workspace']) {
    const { outcome, sandbox } = await pen.run({ source: '', [field]: 'x' });
    expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
    expect(sandbox).toBeUndefined();
  }
  // What looks like one is a file like others.
  const files = [{ path: 'x.tar', text: 'x' }];
  const { outcome } = await pen.run({ source: 'assert open("x.tar").read() == "x"', files });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

it('B13 inputs are bounded by their bytes, and nothing unpacks', async () => {
  const zeros = Buffer.alloc(17 * MIB).toString('base64');
  const files = (file: object) => ({ source: '', files: [{ path: 'bomb', ...file }] as never });
  const large = JSON.stringify({ kind: 'job', version: 1, runtime: 'python', ...files({ base64: zeros }) });
  const before = process.memoryUsage().rss;
  const { outcome, sandbox } = await pen.run(large);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
  expect(outcome).toMatchObject({ kind: 'rejected', field: 'files[0].base64' });
  expect(sandbox).toBeUndefined();
  for (const word of ['encoding', 'compression', 'unpack']) {
    const packed = await pen.run(files({ base64: zeros.slice(0, 4096), [word]: 'gzip' }));
    expect(packed.outcome, word).toMatchObject({ kind: 'rejected', rule: 'additionalProperties' });
  }
  const plain = await pen.run(files({ base64: zeros.slice(0, 4096) }));
  expect(plain.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
