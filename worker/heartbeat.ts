import type { Redis } from 'ioredis';
import type { Offer } from '../protocol/index.ts';
import type { Tenants } from '../schemas/types.ts';
import type { Workplace } from './workplace.ts';

/** A live worker of this queue offers something else. */
export class OfferDiffersError extends Error {
  readonly code = 'offer-differs';

  constructor(queue: string, other: string) {
    super(
      `worker ${other} serves queue ${queue} with other runtimes, backends, ceilings or policies. ` +
        'Remedy: the same configuration, another queue, or --mixed',
    );
  }
}

/** Says that this worker lives, three to four times per `ttlMs` and at once after a reconnection. */
export class Heartbeat {
  readonly #place: Workplace;
  readonly #redis: Redis;
  #offer: Offer;
  #timer: NodeJS.Timeout | null = null;
  readonly #beat = () => void this.beat();

  constructor(offer: Offer, redis: Redis, place: Workplace) {
    this.#offer = offer;
    this.#redis = redis;
    this.#place = place;
  }

  /**
   * The first word, with what the configuration says of tenants, if anything. Throws OfferDiffersError when a live worker offers
   * something else and `mixed` is not set.
   */
  async register(queue: string, tenants: Tenants | null): Promise<void> {
    const sentAt = this.#place.fence.now();
    const answer = await this.#place.protocol.register(this.#offer, tenants);
    if (answer.answer === 'differs') throw new OfferDiffersError(queue, answer.instance);
    this.#place.fence.beat(sentAt);
    await this.#place.dispatcher.add(answer.releases);
  }

  /** Begins to beat; nothing more when it does already. */
  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(this.#beat, this.#offer.ttlMs / 4);
    this.#redis.on('ready', this.#beat);
  }

  /** One beat; a failure is the self-fence's to judge. */
  async beat(): Promise<void> {
    const { protocol, fence, dispatcher, log } = this.#place;
    const sentAt = fence.now();
    try {
      const releases = await protocol.heartbeat(this.#offer);
      fence.beat(sentAt);
      await dispatcher.add(releases);
    } catch (error) {
      log.debug({ err: error }, 'heartbeat: Redis did not answer');
    }
  }

  /** From now on this worker lives, but has no slots: nothing is released for it any more. */
  retire(): Promise<void> {
    this.#offer = { ...this.#offer, slots: 0 };
    return this.beat();
  }

  /** Takes the offer back. Throws what Redis throws. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#redis.off('ready', this.#beat);
    await this.#place.protocol.deregister(this.#offer);
  }
}
