// `bullpen audit checkpoint`: signs what the logs are, once or again and again.

import { setTimeout as sleep } from 'node:timers/promises';
import { CheckpointDirectoryError, Notary, type Round } from '../../../auditor/notary.ts';
import { QueueUnavailableError } from '../../errors.ts';
import { parseDuration } from '../duration.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit-code.ts';
import { writeJson, writeText } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { type Call, optionalText } from '../verb.ts';
import type { AuditAction } from './action.ts';
import { readPrivateKey } from './key-files.ts';
import { queueOf, REDIS_OPTIONS, withProtocol } from './with-protocol.ts';

const SETTLE_MS = 3_000;

export const checkpoint: AuditAction = {
  options: [...REDIS_OPTIONS, 'key', 'checkpoints', 'every', 'settle'],
  async run(call) {
    if (call.positionals.length > 0) throw new UsageError('audit checkpoint takes no words');
    const [every, settle] = [optionalText(call, 'every'), optionalText(call, 'settle')];
    const settleMs = settle === undefined ? SETTLE_MS : parseDuration('--settle', settle);
    const everyMs = every === undefined ? null : parseDuration('--every', every);
    const key = await readPrivateKey(required(call, 'key'));
    try {
      const notary = await Notary.open({
        queue: queueOf(call),
        directory: required(call, 'checkpoints'),
        key,
        settleMs,
      });
      return everyMs === null ? await round(call, notary) : await rounds(call, notary, everyMs);
    } catch (error) {
      if (!(error instanceof CheckpointDirectoryError)) throw error;
      writeText(call.stderr, `bullpen: ${error.message}\n`);
      return EXIT_FAILED;
    }
  },
};

async function round(call: Call, notary: Notary, signal?: AbortSignal): Promise<number> {
  return tell(call, await withProtocol(call, (protocol) => notary.round(protocol, signal)));
}

/** One after the other until a signal. An unreachable Redis is told and tried again, a log that was tampered with told each time. */
async function rounds(call: Call, notary: Notary, everyMs: number): Promise<number> {
  const stopping = new AbortController();
  const { signal } = stopping;
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort());
  let worst = EXIT_OK;
  while (!signal.aborted) {
    try {
      worst = Math.max(worst, await round(call, notary, signal));
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof QueueUnavailableError)) throw error;
      writeText(call.stderr, `bullpen: ${error.message}\n`);
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return worst;
}

function tell({ values, stdout, stderr }: Call, round: Round): number {
  if (values['json'] === true) writeJson(stdout, round);
  else for (const { log, size, file } of round.signed) writeText(stdout, `${log} ${size} ${file}\n`);
  for (const { rule, message } of round.findings) writeText(stderr, `bullpen: ${message} (${rule}): not signed\n`);
  return round.findings.length === 0 ? EXIT_OK : EXIT_FAILED;
}

function required(call: Call, option: string): string {
  const value = optionalText(call, option);
  if (value === undefined) throw new UsageError(`audit checkpoint needs --${option}`);
  return value;
}
