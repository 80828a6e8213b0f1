import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy in front of Redis that can lose an answer: for what no real network does on command. */
export class LossyProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #losing: { text: string; thenRefuse: boolean } | null = null;
  #refusing = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async before(redisPort: number): Promise<LossyProxy> {
    const server = createServer();
    const proxy = new LossyProxy(server);
    server.on('connection', (client) => proxy.#join(client, connect(redisPort, '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next command that contains `text` reaches Redis, and its connection breaks before the answer. */
  loseAnswerTo(text: string, o: { thenRefuse: boolean }): void {
    this.#losing = { text, ...o };
  }

  acceptAgain(): void {
    this.#refusing = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, redis: Socket): void {
    let deaf = false;
    for (const socket of [client, redis]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        redis.destroy();
      });
    }
    if (this.#refusing) client.destroy();
    client.on('data', (bytes) => {
      if (this.#losing && bytes.includes(this.#losing.text)) {
        this.#refusing = this.#losing.thenRefuse;
        this.#losing = null;
        deaf = true;
      }
      redis.write(bytes);
    });
    redis.on('data', (bytes) => {
      if (deaf) client.destroy();
      else client.write(bytes);
    });
  }
}
