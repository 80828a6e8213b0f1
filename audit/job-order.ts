// Jobs across all logs of a queue: accepted before started before finished, each attempt begun once, one result that counts.

import type { AuditRecord, AuditVerdict } from '../schemas/types.ts';
import type { Finding } from './fault.ts';

interface Place {
  readonly log: string;
  readonly seq: number;
}

interface JobFacts {
  accepted: Place | null;
  /** Where each attempt began that was allowed to. */
  readonly begun: Map<number, Place>;
  /** Where its one result was committed. */
  finished: (Place & { readonly epoch: number }) | null;
}

/**
 * Remembers what the records say of each job (some 300 bytes each). Two logs have no common clock: between them only presence is
 * checked, within one log the order too. What a script refused (`fenced`, `moved`, …) is kept in the log and counts for nothing.
 */
export class JobOrder {
  readonly #jobs = new Map<string, JobFacts>();

  /** Takes a record and says what is wrong with it in view of those before. */
  take({ event, uid, epoch, log, seq }: AuditRecord, verdict: AuditVerdict): Finding | null {
    if (uid === null) return null;
    const place = { log, seq };
    const job = this.#job(uid);
    switch (event) {
      case 'accepted':
        return this.#accept(job, place);
      case 'started':
        return verdict === 'run' ? this.#begin(job, epoch, place) : null;
      case 'finished':
        return verdict === 'ok' ? this.#finish(job, epoch, place) : null;
      default:
        return null;
    }
  }

  /** What is missing, now that every record of every log has been seen from the first. */
  end(): Finding | null {
    for (const [uid, { accepted, begun, finished }] of this.#jobs) {
      const [first] = begun.values();
      if (accepted === null && first !== undefined) return order(first, `starts job ${uid}, which no record accepts`);
      if (finished === null) continue;
      if (accepted === null) return order(finished, `finishes job ${uid}, which no record accepts`);
      if (finished.epoch > 0 && !begun.has(finished.epoch)) {
        return order(finished, `finishes attempt ${finished.epoch} of job ${uid}, which no record starts`);
      }
    }
    return null;
  }

  #job(uid: string): JobFacts {
    const known = this.#jobs.get(uid) ?? { accepted: null, begun: new Map(), finished: null };
    this.#jobs.set(uid, known);
    return known;
  }

  #accept(job: JobFacts, place: Place): Finding | null {
    if (job.accepted !== null) return null;
    job.accepted = place;
    const later = [...job.begun.values(), job.finished].find((other) => other?.log === place.log);
    return later ? order(place, `accepts a job after record ${later.seq} began or ended it`) : null;
  }

  #begin(job: JobFacts, epoch: number, place: Place): Finding | null {
    const before = job.begun.get(epoch);
    if (before !== undefined)
      return twice(place, `begins attempt ${epoch}, which began in ${before.log} ${before.seq}`);
    job.begun.set(epoch, place);
    const isLate = job.finished?.log === place.log;
    return isLate ? order(place, `starts a job after record ${job.finished?.seq} finished it`) : null;
  }

  #finish(job: JobFacts, epoch: number, place: Place): Finding | null {
    const before = job.finished;
    if (before !== null)
      return twice(place, `gives a job a second result; the first is in ${before.log} ${before.seq}`);
    job.finished = { ...place, epoch };
    return null;
  }
}

function order({ log, seq }: Place, what: string): Finding {
  return { rule: 'order', log, seq, message: `record ${seq} of ${log} ${what}` };
}

function twice({ log, seq }: Place, what: string): Finding {
  return { rule: 'twice', log, seq, message: `record ${seq} of ${log} ${what}` };
}
