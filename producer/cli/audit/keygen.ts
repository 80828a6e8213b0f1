// `bullpen audit keygen`: a new key for checkpoints.

import { KeyFormatError, makeKeyPair } from '../../../audit/keys.ts';
import { EXIT_OK } from '../exit-code.ts';
import { writeJson, writeText } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { type Call, optionalText } from '../verb.ts';
import type { AuditAction } from './action.ts';
import { writeKeyPair } from './key-files.ts';

const DEFAULT_NAME = 'bullpen-audit';

export const keygen: AuditAction = {
  options: ['name'],
  async run(call) {
    const [path, ...more] = call.positionals;
    if (path === undefined || more.length > 0) throw new UsageError('audit keygen takes one file name');
    const pair = make(optionalText(call, 'name') ?? DEFAULT_NAME);
    await writeKeyPair(path, pair);
    tell(call, path, pair.publicText);
    return EXIT_OK;
  },
};

function make(name: string): ReturnType<typeof makeKeyPair> {
  try {
    return makeKeyPair(name);
  } catch (error) {
    if (error instanceof KeyFormatError) throw new UsageError(`--name: ${error.message}`);
    throw error;
  }
}

function tell({ values, stdout }: Call, path: string, publicKey: string): void {
  if (values['json'] === true) writeJson(stdout, { key: path, publicKey });
  else writeText(stdout, `${publicKey}\n`);
}
