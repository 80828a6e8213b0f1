// A small HTTP server for questions about this worker: bounded in connections, header bytes and time, and deaf to bodies.

import { once } from 'node:events';
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { DEFAULT_HTTP } from '../../schemas/defaults.ts';
import type { Http } from '../../schemas/types.ts';
import type { Log } from '../log.ts';

const CONNECTIONS_MAX = 64;
const HEADER_MAX_BYTES = 8 * 1024;
const REQUEST_MS = 5_000;
/** Owner and group may ask. */
const SOCKET_MODE = 0o660;

/** What a path answers. */
export interface Answer {
  status: number;
  type: string;
  body: string;
}

/** Answers by path; each within a few seconds, however often it is asked. */
export type Routes = Readonly<Record<string, () => Promise<Answer>>>;

/** The listener can't be opened; the message names the field and what to do. */
export class ListenError extends Error {
  readonly code = 'http-listen';
}

/** An open listener. */
export class Listener {
  /** `HOST:PORT` or `unix:/PATH`, as it is. */
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /** Opens it. Throws ListenError. */
  static async open(at: Http, routes: Routes, log: Log): Promise<Listener> {
    const server = newServer(routes, log);
    const { socket } = at;
    try {
      if (socket === undefined) await listen(server, { ...DEFAULT_HTTP, ...at });
      else await listenAtSocket(server, socket);
    } catch (cause) {
      throw listenError(at, cause);
    }
    return new Listener(server, socket === undefined ? tcpAddress(server) : `unix:${socket}`);
  }

  /** Stops listening and ends every connection. A socket's file is gone then. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function newServer(routes: Routes, log: Log): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_MAX_BYTES,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: REQUEST_MS,
      connectionsCheckingInterval: REQUEST_MS,
    },
    (request, response) => void respond(request, response, { routes, log }),
  );
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { routes, log }: { routes: Routes; log: Log },
): Promise<void> {
  response.on('error', () => undefined); // who asked has left
  const refusal = refusalOf(request);
  // A body is never read: it ends with the connection.
  if (refusal !== null) response.shouldKeepAlive = false;
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const answer = refusal ?? (await route?.().catch((error: unknown) => failed(error, path, log))) ?? NOT_FOUND;
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(answer.status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const NOT_FOUND = text(404, 'there are /healthz, /readyz and /metrics');

function refusalOf({ method, headers }: IncomingMessage): Answer | null {
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD');
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
  return hasBody ? text(413, 'no body is taken') : null;
}

function failed(error: unknown, path: string, log: Log): Answer {
  log.error({ err: error, path }, 'a question about this worker could not be answered');
  return text(500, 'see the log of this worker');
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` };
}

async function listen(server: Server, at: { host: string; port: number } | { path: string }): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(at);
  await listening;
}

async function listenAtSocket(server: Server, path: string): Promise<void> {
  await removeStale(path);
  await listen(server, { path });
  chmodSync(path, SOCKET_MODE);
}

/** A socket's file stays behind when its process is killed. Only one at which nobody answers is removed. */
async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const trial = connect(path);
  const isDead = await new Promise<boolean>((resolve) => {
    trial.once('connect', () => resolve(false));
    trial.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  trial.destroy();
  if (isDead) unlinkSync(path);
}

function tcpAddress(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a TCP address');
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

function listenError(
  { host = DEFAULT_HTTP.host, port = DEFAULT_HTTP.port, socket }: Http,
  cause: unknown,
): ListenError {
  const [field, place] = socket === undefined ? ['http.port', `${host}:${port}`] : ['http.socket', socket];
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const remedy = 'a place that nobody else has and that the worker may use after it gave up its privileges';
  return new ListenError(`${field}: ${place} can't be listened at: ${reason}. Remedy: ${remedy}`, { cause });
}
