import { afterAll, beforeAll, expect, it } from 'vitest';
import { LimitsPen } from '../limits/engine.ts';

let pen: LimitsPen;
beforeAll(async () => {
  pen = await LimitsPen.open();
});
afterAll(() => pen.close());

// The kernel keeps 15 bytes of a program's name, whatever character that cuts in two.
it.each(['aaaaaaaaaaaaaa', 'aaaaaaaaaaaaaaé', '日本語日本語'])('a program may be called %s', async (name) => {
  const text = '#!/bin/sh\ncat /proc/$$/comm\n';
  const { outcome, stdout } = await pen.run({
    command: [`/work/${name}`],
    files: [{ path: name, text, executable: true }],
    limits: {},
  });
  expect(outcome).toEqual({ kind: 'exited', exitCode: 0, phase: 'run' });
  const cut = Buffer.from(name).subarray(0, 15);
  const content = stdout as { text?: string; base64?: string };
  expect(Buffer.from(content.base64 ?? content.text ?? '', content.base64 === undefined ? 'utf8' : 'base64')).toEqual(
    Buffer.concat([cut, Buffer.from('\n')]),
  );
});
