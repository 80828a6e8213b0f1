// What can be wrong with an audit log, by name: a closed set, each with where it is.

/** Rules that an export and its checkpoints keep; the value says what it means that one is broken. */
export const FAULT_RULES = {
  export: 'a file is no export, is not whole, or does not begin where the one before ends',
  line: 'a line is not one that an export has',
  record: 'a record is none by its schema, or lies in another place than it says',
  canonical: 'the bytes of a record are not canonical (RFC 8785)',
  hash: 'the bytes of a record are not those that were hashed',
  missing: 'records are not there',
  repeated: 'a record stands in a place that was taken',
  prev: 'a record follows another one than it names',
  verdict: 'the verdict beside a record is not the one that its worker was told',
  order: 'the records of a job are not in the order accepted, started, finished',
  twice: 'an attempt began twice, or a job has two results that count',
  checkpoint:
    'a checkpoint is not signed by this key, says nothing that can be read, or does not follow the one before',
  root: 'records are not those that were signed',
  truncated: 'a log is shorter than what was signed',
  known: 'a checkpoint that was kept elsewhere is not among these',
} as const satisfies Record<string, string>;

export type FaultRule = keyof typeof FAULT_RULES;

/** What is wrong, without the file that it was read from. */
export interface Finding {
  readonly rule: FaultRule;
  readonly message: string;
  readonly log: string | null;
  /** The first bad record; null when the fault is of no record. */
  readonly seq: number | null;
  /** When only a range is known in which the first bad record lies: its end. */
  readonly upTo?: number;
}

export interface Fault extends Finding {
  readonly file: string | null;
  /** Line of the file, from 1. */
  readonly line: number | null;
}
