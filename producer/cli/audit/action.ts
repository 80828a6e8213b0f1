// What a word after `bullpen audit` is.

import type { Call } from '../verb.ts';

export interface AuditAction {
  /** The options that it takes, of those of the verb. */
  readonly options: readonly string[];
  /** `call.positionals` are the words after the action's. Answers with the exit code. */
  run(call: Call): Promise<number>;
}
