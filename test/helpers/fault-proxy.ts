import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What happens to a connection from now on; `dark`: nothing arrives any more on either side, and nobody is told. */
type Fate = 'open' | 'deaf' | 'dark';

interface Link {
  client: Socket;
  redis: Socket;
  fate: Fate;
}

/** A TCP proxy in front of Redis that does on command what networks do at the worst moment. */
export class FaultProxy {
  /** Milliseconds that every piece of a conversation takes longer, each way. */
  delayMs = 0;
  /** Above 0: every piece is cut into pieces of at most so many bytes, which arrive one by one. */
  sliceBytes = 0;
  /** Chance, 0 to 1, that a piece of an answer is lost and its connection reset. */
  lossRate = 0;
  /** Where chance comes from: a number from 0 up to 1. */
  random: () => number = Math.random;
  /** Replies lost so far. */
  lost = 0;
  /** Whether new connections are closed at once. */
  isRefusing = false;
  /** Whether new connections are dark from the start; with `darkenAll`, a black hole. */
  isDark = false;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #doomed: string | Buffer | null = null;
  #awaited: { text: string; comes: () => void } | null = null;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async before(redisPort: number): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(server);
    server.on('connection', (client) => proxy.#join(client, redisPort));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next command that contains `text` (the SHA-1 of a script, a key) reaches Redis; its connection breaks before the answer. */
  loseReplyTo(text: string): void {
    this.#doomed = text;
  }

  /** Resolves when a command that contains `text` comes; it never reaches Redis, and its connection says no more. */
  swallow(text: string): Promise<void> {
    return new Promise((comes) => {
      this.#awaited = { text, comes };
    });
  }

  /** Whether the command of `loseReplyTo` is still to come. */
  get isWaitingToLose(): boolean {
    return this.#doomed !== null;
  }

  resetAll(): void {
    for (const { client } of this.#links) client.destroy();
  }

  /** Half-open TCP: what is connected now stays connected and silent; new connections work. */
  darkenAll(): void {
    for (const link of this.#links) link.fate = 'dark';
  }

  async close(): Promise<void> {
    this.resetAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, redisPort: number): void {
    client.on('error', () => undefined);
    if (this.isRefusing) return void client.destroy();
    const link: Link = { client, redis: connect(redisPort, '127.0.0.1'), fate: this.isDark ? 'dark' : 'open' };
    this.#links.add(link);
    for (const socket of [client, link.redis]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#part(link));
    }
    const [toRedis, toClient] = [this.#pipeTo(link.redis), this.#pipeTo(link.client)];
    client.on('data', (bytes) => this.#ask(link, bytes, toRedis));
    link.redis.on('data', (bytes) => this.#answer(link, bytes, toClient));
  }

  #part(link: Link): void {
    this.#links.delete(link);
    link.client.destroy();
    link.redis.destroy();
  }

  #ask(link: Link, bytes: Buffer, pass: (bytes: Buffer) => void): void {
    if (link.fate === 'dark') return;
    if (this.#doomed !== null && bytes.includes(this.#doomed)) {
      this.#doomed = null;
      link.fate = 'deaf';
    }
    if (this.#awaited !== null && bytes.includes(this.#awaited.text)) {
      link.fate = 'dark';
      this.#awaited.comes();
      this.#awaited = null;
      return;
    }
    pass(bytes);
  }

  #answer(link: Link, bytes: Buffer, pass: (bytes: Buffer) => void): void {
    if (link.fate === 'dark') return;
    if (link.fate === 'deaf' || this.random() < this.lossRate) {
      this.lost += 1;
      link.client.resetAndDestroy();
      return;
    }
    pass(bytes);
  }

  /** One direction of a connection: late or in slices, but in its order, whatever is changed meanwhile. */
  #pipeTo(socket: Socket): (bytes: Buffer) => void {
    let [waiting, turn] = [0, Promise.resolve()];
    return (bytes) => {
      const dueAt = performance.now() + this.delayMs;
      if (waiting === 0 && this.delayMs === 0 && this.sliceBytes === 0) return void socket.write(bytes);
      waiting += 1;
      turn = turn
        .then(() => this.#deliver(socket, bytes, dueAt))
        .finally(() => {
          waiting -= 1;
        });
    };
  }

  async #deliver(socket: Socket, bytes: Buffer, dueAt: number): Promise<void> {
    const early = dueAt - performance.now();
    if (early > 0) await sleep(early);
    const size = this.sliceBytes > 0 ? this.sliceBytes : bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      if (at > 0) await new Promise((next) => setImmediate(next));
      socket.write(bytes.subarray(at, at + size));
    }
  }
}
