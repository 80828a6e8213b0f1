import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLog } from '../../../../worker/log.ts';
import { type Answer, ListenError, Listener, type Routes } from '../../../../worker/signals/listener.ts';

const log = createLog({ level: 'silent', descriptor: 2 });
const ANSWER: Answer = { status: 200, type: 'text/plain', body: 'well\n' };

let directory: string;
let open: Listener[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bullpen-listener-'));
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((listener) => listener.close()));
  rmSync(directory, { recursive: true, force: true });
});

const ROUTES: Routes = {
  '/healthz': async () => ANSWER,
  '/broken': async () => {
    throw new Error('/secret/path');
  },
};

async function listen(at: Parameters<typeof Listener.open>[0] = { port: 0 }, routes = ROUTES): Promise<Listener> {
  const listener = await Listener.open(at, routes, log);
  open.push(listener);
  return listener;
}

/** What is answered to bytes as they are, until the other side ends it. */
async function exchange(address: string, bytes: string): Promise<string> {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  const socket = connect(Number(port), host);
  socket.write(bytes);
  let answer = '';
  socket.on('error', () => undefined);
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

it('answers GET and HEAD, with or without a query', async () => {
  const { address } = await listen();
  const answer = await fetch(`http://${address}/healthz?verbose`);
  expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
    200,
    'text/plain',
    'well\n',
  ]);
  const head = await fetch(`http://${address}/healthz`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '5', '']);
});

it('listens on 127.0.0.1 when only a port is given', async () => {
  expect((await listen()).address).toMatch(/^127\.0\.0\.1:\d+$/);
});

it.each(['/', '/nothing', '/__proto__', '/constructor', '/healthz/', '//healthz'])('%s is not found', async (path) => {
  const { address } = await listen();
  expect((await fetch(`http://${address}${path}`)).status).toBe(404);
});

it('takes no other method, and says which it takes', async () => {
  const { address } = await listen();
  const answer = await fetch(`http://${address}/healthz`, { method: 'POST' });
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

it('takes no body, and ends the connection that brings one', async () => {
  const { address } = await listen();
  const answer = await exchange(address, 'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc');
  expect(answer).toMatch(/^HTTP\/1\.1 413 .*connection: close/is);
});

it('takes 8 KiB of header and no more', async () => {
  const { address } = await listen();
  const withHeader = (bytes: number) =>
    exchange(address, `GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ${'y'.repeat(bytes)}\r\n\r\n`);
  expect(await withHeader(4_000)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await withHeader(9_000)).toMatch(/^HTTP\/1\.1 431 /);
});

it('ends a request that is not said within some seconds', async () => {
  const { address } = await listen();
  expect(await exchange(address, 'GET /healthz HTTP/1.1\r\nHost')).toMatch(/^HTTP\/1\.1 408 /);
}, 30_000);

it('holds 64 connections at most', async () => {
  const { address } = await listen();
  const port = Number(address.split(':')[1]);
  const sockets = Array.from({ length: 80 }, () => connect(port, '127.0.0.1'));
  let closed = 0;
  for (const socket of sockets) socket.on('error', () => undefined).once('close', () => (closed += 1));
  for (const end = Date.now() + 10_000; closed < 16 && Date.now() < end; ) await sleep(10);
  expect(closed).toBe(16);
  for (const socket of sockets) socket.destroy();
});

it('keeps what went wrong to itself', async () => {
  const { address } = await listen();
  const answer = await fetch(`http://${address}/broken`);
  expect([answer.status, await answer.text()]).toEqual([500, 'see the log of this worker\n']);
});

it('names the field and the remedy when the port is taken', async () => {
  const { address } = await listen();
  const port = Number(address.split(':')[1]);
  const second = listen({ port });
  await expect(second).rejects.toThrow(ListenError);
  await expect(second).rejects.toThrow(`http.port: 127.0.0.1:${port} can't be listened at: EADDRINUSE. Remedy: `);
});

/** A question over a Unix socket. */
function ask(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/healthz' }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

it('listens at a Unix socket for owner and group, and leaves no file behind', async () => {
  const socket = join(directory, 's.sock');
  const listener = await listen({ socket });
  expect(listener.address).toBe(`unix:${socket}`);
  expect(await ask(socket)).toBe(200);
  expect(statSync(socket).mode & 0o777).toBe(0o660);
  await open.pop()?.close();
  expect(existsSync(socket)).toBe(false);
});

it('takes the place of a socket that a dead process left', async () => {
  const socket = join(directory, 's.sock');
  const { execFileSync } = await import('node:child_process');
  const leave = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  expect(() => execFileSync(process.execPath, ['-e', leave])).toThrow();
  expect(existsSync(socket)).toBe(true);
  await listen({ socket });
  expect(await ask(socket)).toBe(200);
});

it('leaves a socket alone at which somebody answers, and a file that is none', async () => {
  const socket = join(directory, 's.sock');
  const other = createServer((connection) => connection.end());
  await new Promise<void>((resolve) => other.listen(socket, resolve));
  await expect(listen({ socket })).rejects.toThrow('EADDRINUSE');
  await new Promise((resolve) => other.close(resolve));
  const { writeFileSync } = await import('node:fs');
  writeFileSync(socket, 'a file');
  await expect(listen({ socket })).rejects.toThrow('EADDRINUSE');
  expect(existsSync(socket)).toBe(true);
});

it('ends open connections when it is closed', async () => {
  const { address } = await listen();
  const idle = exchange(address, '');
  await sleep(50);
  await open.pop()?.close();
  expect(await idle).toBe('');
  await expect(fetch(`http://${address}/healthz`)).rejects.toThrow();
});
