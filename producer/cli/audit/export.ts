// `bullpen audit export`: the logs as they are, into a file or to stdout.

import { once } from 'node:events';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { type LogHead, parseEnd } from '../../../audit/export-format.ts';
import { AuditGapError, type Exported, exportAudit } from '../../../auditor/export.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit-code.ts';
import { type Output, writeJson, writeText } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { type Call, optionalText } from '../verb.ts';
import type { AuditAction } from './action.ts';
import { REDIS_OPTIONS, withProtocol } from './with-protocol.ts';

type Write = (line: Uint8Array) => Promise<void>;

export const exportLogs: AuditAction = {
  options: [...REDIS_OPTIONS, 'to', 'after'],
  async run(call) {
    if (call.positionals.length > 0) throw new UsageError('audit export takes no words; the file is named with --to');
    const [to, earlier] = [optionalText(call, 'to'), optionalText(call, 'after')];
    const after = earlier === undefined ? null : await endOf(earlier);
    try {
      const write = (use: Write): Promise<Exported> =>
        withProtocol(call, (protocol, queue) => exportAudit({ protocol, queue, after }, use));
      const exported = to === undefined ? await write(toStream(call.stdout)) : await intoFile(to, write);
      tell(call, to, exported);
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof AuditGapError)) throw error;
      writeText(call.stderr, `bullpen: ${error.message}\n`);
      return EXIT_FAILED;
    }
  },
};

/** Where an earlier export ends. */
async function endOf(path: string): Promise<LogHead[]> {
  const lines = (await readFile(path)).subarray(0, -1);
  const heads = parseEnd(lines.subarray(lines.lastIndexOf('\n') + 1));
  if (heads === null) throw new UsageError(`${path} is no whole export`);
  return heads;
}

function toStream(stdout: Output): Write {
  return async (line) => {
    if (!stdout.write(line)) await once(stdout, 'drain');
  };
}

/** Fills a new file, synced; leaves none if that fails. */
async function intoFile(path: string, fill: (write: Write) => Promise<Exported>): Promise<Exported> {
  const file = await open(path, 'wx', 0o640);
  try {
    const exported = await fillBuffered(file, fill);
    await file.sync();
    return exported;
  } catch (error) {
    await rm(path);
    throw error;
  } finally {
    await file.close();
  }
}

const BUFFER_BYTES = 256 * 1024;

async function fillBuffered(file: FileHandle, fill: (write: Write) => Promise<Exported>): Promise<Exported> {
  let [lines, bytes]: [Uint8Array[], number] = [[], 0];
  const flush = async (): Promise<void> => {
    await file.appendFile(Buffer.concat(lines));
    [lines, bytes] = [[], 0];
  };
  const exported = await fill(async (line) => {
    lines.push(line);
    bytes += line.length;
    if (bytes >= BUFFER_BYTES) await flush();
  });
  await flush();
  return exported;
}

/** What goes to stdout is the export itself: then nothing is told beside it. */
function tell({ values, stdout }: Call, to: string | undefined, { records, heads }: Exported): void {
  if (to === undefined) return;
  if (values['json'] === true) writeJson(stdout, { file: to, records, logs: heads });
  else writeText(stdout, `${to}: ${records} records of ${heads.length} logs\n`);
}
