import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { HostilePen, jobOf, keysWith, onHost } from './harness.ts';
import { runOnHost } from './on-host.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };

const PORT = 18_081;

/** Whether a process with an id of this pen's listens at the port, in whatever network. */
function isListening(): boolean {
  const { firstUid, uidCount } = pen.lease;
  const tables = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const { uid = 0 } = statSync(`/proc/${pid}`, { throwIfNoEntry: false }) ?? {};
      return uid >= firstUid && uid < firstUid + uidCount && existsSync(`/proc/${pid}/net/tcp`);
    });
  const listens = new RegExp(`:${PORT.toString(16).toUpperCase()} 00000000:0000 0A`);
  return tables.some((pid) => listens.test(readFileSync(`/proc/${pid}/net/tcp`, 'utf8')));
}

/** What a client of the host's is told at an address. */
function knock(host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(PORT, host, () => {
      resolve('connected');
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

it("I18 a server of a job's is heard by itself only", async () => {
  expect(await onHost('nobody', 'i18-own-server.py')).toMatchObject({ '0.0.0.0': 'ok' });
  expect(await pen.ask('i18-own-server.py')).toEqual({ '0.0.0.0': 'EAFNOSUPPORT', '::': 'EAFNOSUPPORT' });
  expect(await pen.ask('i18-own-server.py', {}, PRIVATE)).toEqual({ '0.0.0.0': 'ok', '::': 'ok' });
});

it('I18 nobody else gets to a server of a job', async () => {
  const outside = runOnHost('nobody', 'i18-serve.py', { port: PORT }, 3_000);
  await expect.poll(() => knock('127.0.0.1'), { timeout: 2_500 }).toBe('connected');
  expect((await outside).stdout).toBe('listening');
  const serving = pen.start(
    jobOf('i18-serve.py', { given: { port: PORT }, limits: { wallTimeMs: 60_000 }, ...PRIVATE }),
  );
  await expect.poll(isListening, { timeout: 20_000 }).toBe(true);
  for (const host of ['127.0.0.1', pen.canaries.targets.address]) expect(await knock(host)).toBe('ECONNREFUSED');
  serving.kill('cancelled');
  expect((await serving.wait()).outcome.kind).toBe('cancelled');
});

it('I19 its own network can not be changed', async () => {
  expect(keysWith(await onHost('root-apart', 'i19-own-network.py'), 'ok')).toContain('address');
  const answers = await pen.ask('i19-own-network.py', {}, PRIVATE);
  for (const answer of Object.values(answers)) expect(['EPERM', 'ENOTTY']).toContain(answer);
});

it('I24 no program and no protocol is loaded by way of a socket', async () => {
  const outside = await onHost('nobody', 'i24-socket-options.py');
  expect([outside['filter'], outside['ulp'] === 'EPERM']).toEqual(['ok', false]);
  expect(await pen.ask('i24-socket-options.py', {}, PRIVATE)).toEqual({ ulp: 'EPERM', filter: 'EPERM' });
});
