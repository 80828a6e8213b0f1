// `bullpen audit trim`: removes from Redis what the archive has, if the archive holds.

import { trimAudit } from '../../../auditor/trim.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit-code.ts';
import { writeJson, writeText } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { optionalText } from '../verb.ts';
import type { AuditAction } from './action.ts';
import { tellReport, VERIFY_OPTIONS, verifyCall } from './verify.ts';
import { REDIS_OPTIONS, withProtocol } from './with-protocol.ts';

export const trim: AuditAction = {
  options: [...REDIS_OPTIONS, ...VERIFY_OPTIONS],
  async run(call) {
    if (optionalText(call, 'checkpoints') === undefined)
      throw new UsageError('audit trim needs --checkpoints and --key');
    const report = await verifyCall(call);
    if (!report.ok) {
      tellReport(call, report);
      return EXIT_FAILED;
    }
    const trimmed = await withProtocol(call, (protocol, queue) => {
      if (queue !== report.queue) throw new UsageError(`the exports are of the queue ${report.queue}, not ${queue}`);
      return trimAudit(protocol, queue, report);
    });
    if (call.values['json'] === true) writeJson(call.stdout, { trimmed });
    else for (const { log, archived, removed } of trimmed) writeText(call.stdout, `${log} ${archived} ${removed}\n`);
    return EXIT_OK;
  },
};
