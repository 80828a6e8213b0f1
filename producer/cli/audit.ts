// `bullpen audit`: keys, exports, checkpoints, verification and trimming of the audit logs.

import type { AuditAction } from './audit/action.ts';
import { checkpoint } from './audit/checkpoint.ts';
import { exportLogs } from './audit/export.ts';
import { keygen } from './audit/keygen.ts';
import { trim } from './audit/trim.ts';
import { verify } from './audit/verify.ts';
import { UsageError } from './usage-error.ts';
import { QUEUE_OPTIONS, type Verb } from './verb.ts';

const ACTIONS: ReadonlyMap<string, AuditAction> = new Map(
  Object.entries({ keygen, export: exportLogs, checkpoint, verify, trim }),
);

export const audit: Verb = {
  summary: 'keys, exports, signed checkpoints and verification of the audit logs',
  help: `bullpen audit keygen FILE | export | checkpoint | verify EXPORT… | trim EXPORT…

keygen      makes an Ed25519 key: FILE (mode 0600, for checkpoint) and FILE.pub (for verify)
  --name NAME         how checkpoints call it; default: bullpen-audit. A URL without its scheme is best

export      copies the logs out of Redis, all of them up to one moment
  --to FILE           a new file; default: stdout
  --after FILE        only what came since this earlier export

checkpoint  checks what came since the last time and signs it: a file for each log that grew
  --key FILE          the key: on a machine that holds neither Redis nor workers
  --checkpoints DIR   where the checkpoints are and go
  --every DURATION    again and again, until a signal
  --settle DURATION   how old a record must be, so that Redis can't lose it any more; default: 3s

verify      checks exports, each going on where the one before ends, without Redis
  --checkpoints DIR   what was signed; with --key FILE, the public key. Without: only what the records say of each other
  --known FILE        a checkpoint that was kept elsewhere: it must be one of these; may be repeated
  --trimmed           logs may begin at a checkpoint, earlier exports being away

trim        as verify; if everything holds, removes from Redis what is exported and signed, but for the latest 1,000 of each log

  --json              reports as one object (schemas/audit-report.schema.json)
  --redis URL         default: $BULLPEN_REDIS, else redis://127.0.0.1:6379
  --queue NAME        default: $BULLPEN_QUEUE, else default

Exit codes: 4 when anything is not as it should be, 5 Redis unreachable.

Examples:
  bullpen audit keygen /root/audit.key
  bullpen audit checkpoint --key /root/audit.key --checkpoints /srv/checkpoints --every 1m
  bullpen audit export --to monday.ndjson
  bullpen audit verify monday.ndjson --checkpoints /srv/checkpoints --key audit.key.pub
`,
  options: {
    redis: QUEUE_OPTIONS.redis,
    queue: QUEUE_OPTIONS.queue,
    name: { type: 'string' },
    to: { type: 'string' },
    after: { type: 'string' },
    key: { type: 'string' },
    checkpoints: { type: 'string' },
    every: { type: 'string' },
    settle: { type: 'string' },
    known: { type: 'string', multiple: true },
    trimmed: { type: 'boolean' },
  },
  run(call) {
    const [word = '', ...positionals] = call.positionals;
    const action = ACTIONS.get(word);
    if (!action) throw new UsageError(`audit what? one of ${[...ACTIONS.keys()].join(', ')}`);
    const other = Object.keys(call.values).find((option) => option !== 'json' && !action.options.includes(option));
    if (other !== undefined) throw new UsageError(`audit ${word} takes no --${other}`);
    return action.run({ ...call, positionals });
  },
};
