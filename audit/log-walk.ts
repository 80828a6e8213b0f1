// One log, record by record: each must follow the one before, and the tree over them must be the one that was signed.

import { parseAuditRecord } from '../schemas/parse.ts';
import type { AuditEvent, AuditFaultRule, AuditRecord, AuditVerdict } from '../schemas/types.ts';
import { canonicalText } from './canonical.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ExportedRecord, LogHead } from './export-format.ts';
import type { Finding } from './fault.ts';
import { leafHash, NO_HASH, recordHash } from './hashes.ts';
import { MerkleTree } from './tree.ts';

/** What each kind of record can have beside it: by the script that stores it (append, begin, commit). */
const OF_BEGIN: readonly AuditVerdict[] = ['run', 'final', 'cancelled', 'expired', 'lost', 'poison', 'moved', 'gone'];
const OF_COMMIT: readonly AuditVerdict[] = ['ok', 'already', 'fenced', 'gone'];
const VERDICTS: Record<AuditEvent, readonly AuditVerdict[]> = {
  boot: ['ok'],
  accepted: [...OF_BEGIN, ...OF_COMMIT],
  started: OF_BEGIN,
  finished: OF_COMMIT,
  close: ['ok'],
};

/** Where a walk begins when it doesn't begin with the first record. */
export type WalkStart = Pick<Checkpoint, 'size' | 'head' | 'tree'>;

/** A record that keeps every rule so far, or what is wrong with it. */
export type Step = { record: AuditRecord; verdict: AuditVerdict } | { finding: Finding };

/** Walks one log; after a finding the walk is over. */
export class LogWalk {
  readonly log: string;
  /** Checkpoints still to come, by size. */
  readonly #ahead: Checkpoint[];
  readonly #tree: MerkleTree;
  readonly #first: number;
  readonly #verdicts: AuditVerdict[] = [];
  readonly #untold = new Set<number>();
  #prev: string;
  #signed: number;
  #finding: Finding | null = null;

  /** `checkpoints` are those of this log, by size; `start` is one of them. */
  constructor(log: string, checkpoints: readonly Checkpoint[], start: WalkStart | null = null) {
    this.log = log;
    this.#tree = start?.tree.copy() ?? MerkleTree.empty();
    this.#prev = start?.head ?? NO_HASH;
    this.#signed = this.#tree.size;
    this.#first = this.#tree.size + 1;
    this.#ahead = checkpoints.filter((one) => one.size > this.#tree.size);
  }

  /** The last record that was taken. */
  get head(): LogHead {
    return { log: this.log, seq: this.#tree.size, sha256: this.#prev };
  }

  get tree(): MerkleTree {
    return this.#tree;
  }

  /** Place of the first record of the walk. */
  get first(): number {
    return this.#first;
  }

  /** Records up to here are as they were signed. */
  get signed(): number {
    return this.#signed;
  }

  /** Records that are not signed and whose verdict no later record tells: a change of it would not show. */
  get openVerdicts(): number {
    return this.#untold.size;
  }

  get finding(): Finding | null {
    return this.#finding;
  }

  /** Takes the next record. */
  take(exported: ExportedRecord): Step {
    if (this.#finding !== null) return { finding: this.#finding };
    const parsed = parseAuditRecord(exported.bytes);
    if (!parsed.ok) return this.#stop('record', exported.seq, `is none: ${parsed.issues[0]?.message ?? 'invalid'}`);
    const record = parsed.value;
    const verdict = exported.verdict as AuditVerdict;
    const broken = this.#misplaced(exported, record) ?? this.#wrongVerdict(record, verdict);
    if (broken !== null) return broken;
    this.#add(exported.sha256, verdict, record);
    return this.#compare() ?? { record, verdict };
  }

  /** Everything that was signed must have been there. */
  end(): Finding | null {
    const [next] = this.#ahead;
    if (this.#finding === null && next !== undefined) {
      const upTo = this.#ahead.at(-1)?.size ?? next.size;
      this.#stop('truncated', this.head.seq + 1, `is not there, while ${upTo} records were signed`, upTo);
    }
    return this.#finding;
  }

  #misplaced({ log, seq, sha256, bytes }: ExportedRecord, record: AuditRecord): Step | null {
    const expected = this.#tree.size + 1;
    if (record.log !== log || record.seq !== seq) {
      return this.#stop('record', seq, `says that it is record ${record.seq} of ${record.log}`);
    }
    if (canonicalText(record) !== Buffer.from(bytes).toString())
      return this.#stop('canonical', seq, 'is not canonical');
    if (recordHash(bytes) !== sha256) return this.#stop('hash', seq, 'was changed: its hash is another');
    if (seq < expected) return this.#stop('repeated', seq, 'is there a second time');
    if (seq > expected) return this.#stop('missing', expected, 'is not there', seq - 1);
    if (record.prev === this.#prev) return null;
    return this.#stop('prev', seq, 'does not follow the one before: that one or this one was put there later');
  }

  #wrongVerdict({ seq, event, verdicts = [] }: AuditRecord, verdict: AuditVerdict): Step | null {
    if (!VERDICTS[event].includes(verdict))
      return this.#stop('verdict', seq, `(${event}) can't have the verdict ${verdict}`);
    for (const told of verdicts) {
      if (told.seq >= seq) return this.#stop('record', seq, `tells the verdict of a later one (${told.seq})`);
      const kept = told.seq < this.#first ? told.verdict : this.#verdicts[told.seq - this.#first];
      if (kept !== told.verdict) {
        return this.#stop(
          'verdict',
          told.seq,
          `has the verdict ${kept}, but record ${seq} tells that it was ${told.verdict}`,
        );
      }
    }
    return null;
  }

  #add(sha256: string, verdict: AuditVerdict, { seq, verdicts = [] }: AuditRecord): void {
    this.#tree.append(leafHash(sha256, verdict));
    this.#prev = sha256;
    this.#verdicts.push(verdict);
    this.#untold.add(seq);
    for (const told of verdicts) this.#untold.delete(told.seq);
  }

  #compare(): Step | null {
    const [next] = this.#ahead;
    if (next === undefined || next.size > this.#tree.size) return null;
    const [from, upTo] = [this.#signed + 1, next.size];
    if (next.head !== this.#prev)
      return this.#stop('root', from, 'or a later one is not the one that was signed', upTo);
    if (!next.root.equals(this.#tree.root())) {
      return this.#stop('root', from, 'or a later one has another verdict than the one that was signed', upTo);
    }
    this.#ahead.shift();
    this.#signed = next.size;
    this.#untold.clear();
    return null;
  }

  #stop(rule: AuditFaultRule, seq: number, what: string, upTo?: number): { finding: Finding } {
    const range = upTo !== undefined && upTo > seq ? { upTo } : {};
    this.#finding = { rule, log: this.log, seq, ...range, message: `record ${seq} of ${this.log} ${what}` };
    return { finding: this.#finding };
  }
}
