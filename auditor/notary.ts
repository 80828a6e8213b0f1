// Signs what the audit logs of a queue are: reads what came since the last checkpoint, checks it, and writes the next one to a file.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Checkpoint, checkpointText, originOf } from '../audit/checkpoint.ts';
import { type FiledCheckpoint, readCheckpoints } from '../audit/checkpoint-files.ts';
import type { Finding } from '../audit/fault.ts';
import { sha256Hex } from '../audit/hashes.ts';
import type { PrivateKey } from '../audit/keys.ts';
import { LogWalk } from '../audit/log-walk.ts';
import { signNote } from '../audit/note.ts';
import type { AuditHead, Protocol } from '../protocol/index.ts';
import type { AuditFault } from '../schemas/types.ts';
import { writeCheckpoint } from './write-checkpoint.ts';

const BATCH = 1_000;

/** The directory holds something that this key did not sign, or that does not hang together: nothing is added to it. */
export class CheckpointDirectoryError extends Error {
  override readonly name = 'CheckpointDirectoryError';
  readonly code = 'checkpoint-directory';
  readonly fault: AuditFault;

  constructor(fault: AuditFault) {
    super(`${fault.file}: ${fault.message}`);
    this.fault = fault;
  }
}

export interface NotaryOptions {
  readonly queue: string;
  /** Where the checkpoints lie. One process writes to it. */
  readonly directory: string;
  readonly key: PrivateKey;
  /**
   * Milliseconds between reading where the logs end and reading the records up to there. Redis that syncs its file every second can
   * lose the last one or two: what was signed must not be among it, since a log that was signed can never be cut back.
   */
  readonly settleMs: number;
}

/** What came of one round. */
export interface Round {
  readonly signed: readonly { readonly log: string; readonly size: number; readonly file: string }[];
  /** Logs that are not what was signed, or not what they should be: nothing of them was signed. */
  readonly findings: readonly Finding[];
}

/** One directory of checkpoints and the logs that it is about. */
export class Notary {
  readonly #options: NotaryOptions;
  readonly #latest = new Map<string, Checkpoint>();
  #previous: string;
  #count: number;

  private constructor(options: NotaryOptions, checkpoints: readonly FiledCheckpoint[], previous: string) {
    this.#options = options;
    this.#previous = previous;
    this.#count = checkpoints.length;
    for (const one of checkpoints) if (one.queue === options.queue) this.#latest.set(one.log, one);
  }

  /** Reads and checks what was signed before. @throws CheckpointDirectoryError, and what the file system refuses. */
  static async open(options: NotaryOptions): Promise<Notary> {
    const { checkpoints, last, fault } = await readCheckpoints(options.directory, options.key.publicKey);
    if (fault !== null) throw new CheckpointDirectoryError(fault);
    return new Notary(options, checkpoints, last);
  }

  /** Signs every log that has grown. Throws what Redis or the file system refuses; what was signed by then stays. */
  async round(protocol: Protocol, signal?: AbortSignal): Promise<Round> {
    const { settleMs } = this.#options;
    const logs = new Set([...(await protocol.listAuditLogs()), ...this.#latest.keys()]);
    const heads = await protocol.readAuditHeads([...logs]);
    await sleep(settleMs, undefined, { signal });
    const signed: Round['signed'][number][] = [];
    const findings: Finding[] = [];
    for (const [log, head] of heads) {
      const read = await this.#read(protocol, log, head);
      if (read instanceof LogWalk) signed.push(...(await this.#sign(read)));
      else findings.push(read);
    }
    return { signed, findings };
  }

  /** Walks a log from its last checkpoint to where it ended. */
  async #read(protocol: Protocol, log: string, head: AuditHead): Promise<LogWalk | Finding> {
    const walk = new LogWalk(log, [], this.#latest.get(log) ?? null);
    const { seq: signed, sha256 } = walk.head;
    if (head.seq < signed) return finding('truncated', head.seq + 1, { log, upTo: signed });
    for (let afterSeq = signed; afterSeq < head.seq; ) {
      const limit = Math.min(BATCH, head.seq - afterSeq);
      const batch = await protocol.readAudit({ log, afterSeq, limit });
      for (const record of batch) walk.take({ log, ...record });
      if (walk.finding !== null) return walk.finding;
      if (batch.length === 0) return finding('missing', afterSeq + 1, { log, upTo: head.seq });
      afterSeq = walk.head.seq;
    }
    const isHead = head.seq > signed ? walk.head.sha256 === head.sha256 : sha256 === head.sha256;
    return isHead ? walk : finding('root', head.seq, { log });
  }

  async #sign(walk: LogWalk): Promise<Round['signed']> {
    const { log, tree } = walk;
    const { queue, key, directory } = this.#options;
    if (tree.size === (this.#latest.get(log)?.size ?? 0)) return [];
    const checkpoint: Checkpoint = {
      origin: originOf(key.publicKey.name, queue, log),
      size: tree.size,
      root: tree.root(),
      previous: this.#previous,
      head: walk.head.sha256,
      tree,
      at: new Date().toISOString(),
    };
    const note = signNote(checkpointText(checkpoint), key);
    const file = await writeCheckpoint(directory, this.#count + 1, note);
    this.#count += 1;
    this.#previous = sha256Hex(note);
    this.#latest.set(log, checkpoint);
    return [{ log, size: tree.size, file }];
  }
}

const MESSAGES = {
  truncated: 'is not there, while it was signed: the log was cut back, by somebody or by a Redis that lost what it had',
  missing: 'is not there, while the head of the log says so',
  root: 'is not the one that the head of the log names, or that was signed',
} as const;

function finding(rule: keyof typeof MESSAGES, seq: number, { log, upTo }: { log: string; upTo?: number }): Finding {
  return { rule, log, seq, ...(upTo !== undefined && { upTo }), message: `record ${seq} of ${log} ${MESSAGES[rule]}` };
}
