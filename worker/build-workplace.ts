import { AuditChain, Protocol } from '../protocol/index.ts';
import { Admission } from './admission.ts';
import { AuditRecords } from './audit-records.ts';
import { Committer } from './commit-result.ts';
import type { Settings } from './config.ts';
import { Dispatcher } from './dispatch.ts';
import { Executions } from './executions.ts';
import type { LeasedEngine } from './lease.ts';
import type { Log } from './log.ts';
import { largestNeed, needOf, readHostMemory } from './memory.ts';
import type { Connections } from './redis-connections.ts';
import { Seal } from './seal.ts';
import type { Secrets } from './secrets.ts';
import { SelfFence } from './self-fence.ts';
import { sendFinish } from './send-finish.ts';
import { Watch } from './signals/watch.ts';
import type { Spool } from './spool.ts';
import type { Workplace } from './workplace.ts';

/** What is there before the parts are. */
export interface Ground {
  settings: Settings;
  secrets: Secrets;
  leased: LeasedEngine;
  connections: Connections;
  spool: Spool;
  log: Log;
  /** Aborted when the worker begins to drain. */
  stopping: AbortSignal;
}

/** Makes the parts that a worker's other parts share, and connects them. */
export function buildWorkplace({ settings, secrets, leased, connections, spool, log, stopping }: Ground): Workplace {
  const { queue, lockMs } = settings;
  const { instance } = leased.lease;
  const protocol = new Protocol(connections.scripts, queue);
  const audit = new AuditChain(instance, () => protocol.readAuditTail(instance));
  const watch = new Watch();
  const toSend = {
    protocol,
    audit,
    records: new AuditRecords(instance),
    dispatcher: new Dispatcher(connections.bull, queue, log),
    watch,
    log,
  };
  const executions = new Executions();
  return {
    ...toSend,
    instance,
    seal: new Seal(queue, secrets.signingKeys),
    engine: leased.engine,
    executions,
    admission: new Admission({ largest: largestNeed(settings), readMemory: readHostMemory }),
    needOf: (document) => needOf(document, settings),
    fence: new SelfFence({
      lockMs,
      fence: (uid) => {
        log.warn({ uid }, "lock lost: the job may be another worker's by now, its sandbox is killed");
        executions.fence(uid);
      },
      extend: (uid, untilMs) => executions.extend(uid, untilMs),
      now: () => leased.engine.now(),
    }),
    committer: new Committer({
      send: async (finish) => {
        const sent = sendFinish(finish, settings, toSend);
        sent.then(
          (answer) => watch.tried(answer),
          () => watch.tried('unanswered'),
        );
        return sent;
      },
      spool,
      home: homeOf(settings),
      log,
    }),
    isServing: () => !stopping.aborted,
  };
}

/** Which queue of which Redis: a name for it that holds no secret. */
export function homeOf({ redis, queue }: Settings): string {
  const { hostname, port, pathname } = new URL(redis);
  return `${hostname}:${port === '' ? '6379' : port}${pathname}#${queue}`;
}
