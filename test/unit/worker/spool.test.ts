import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newUid } from '../../../protocol/index.ts';
import type { Finish } from '../../../worker/finish.ts';
import { Spool, SpoolCorruptError, SpoolFullError } from '../../../worker/spool.ts';

let directory: string;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'bullpen-spool-')), 'spool');
});
afterEach(() => rmSync(dirname(directory), { recursive: true, force: true }));

function finish(result: string): Finish {
  return {
    uid: newUid(),
    epoch: 1,
    tenant: 'acme',
    outcome: 'exited',
    resultSha256: createHash('sha256').update(result).digest('hex'),
    policySha256: null,
    backend: null,
    refusedBy: null,
    layers: [{ layer: 'seccomp', value: 'strict' }],
    dead: null,
    accepted: null,
    blobs: [Buffer.from('first blob'), Buffer.from('second\nblob')],
    result: Buffer.from(result),
  };
}

describe('the spool', () => {
  it('gives back what was put, also to another process', async () => {
    const spooled = { home: 'here', finish: finish('{"kind":"result"}\nwith a second line') };
    const name = await (await Spool.open(directory)).put(spooled);
    const again = await Spool.open(directory);
    expect(await again.names()).toEqual([name]);
    expect(await again.read(name)).toEqual(spooled);
  });

  it('is for its owner only', async () => {
    const name = await (await Spool.open(directory)).put({ home: 'here', finish: finish('secret') });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it('detects a torn file', async () => {
    const spool = await Spool.open(directory);
    const name = await spool.put({ home: 'here', finish: finish('0123456789') });
    truncateSync(join(directory, name), statSync(join(directory, name)).size - 1);
    await expect(spool.read(name)).rejects.toThrow(SpoolCorruptError);
    writeFileSync(join(directory, name), '');
    await expect(spool.read(name)).rejects.toThrow(SpoolCorruptError);
  });

  it('detects an altered file, in the result and in what says whose it is', async () => {
    const spool = await Spool.open(directory);
    const name = await spool.put({ home: 'here', finish: finish('0123456789') });
    const whole = readFileSync(join(directory, name), 'latin1');
    writeFileSync(join(directory, name), whole.replace('0123456789', '0123456780'));
    await expect(spool.read(name)).rejects.toThrow('the hash differs');
    writeFileSync(join(directory, name), whole.replace('acme', 'evil'));
    await expect(spool.read(name)).rejects.toThrow('the hash differs');
  });

  type Head = Record<string, unknown>;

  /** A file with the right hash, as anybody could make it who may write there. Answers the spool and its name. */
  async function forge(change: (head: Head) => unknown): Promise<[Spool, string]> {
    const spool = await Spool.open(directory);
    const name = await spool.put({ home: 'here', finish: finish('{"kind":"result"}') });
    const [, head = '', ...content] = readFileSync(join(directory, name), 'utf8').split('\n');
    const payload = [JSON.stringify(change(JSON.parse(head) as Head)), ...content].join('\n');
    const sha256 = createHash('sha256').update(payload).digest('hex');
    writeFileSync(join(directory, name), `bullpen-spool-v1 ${payload.length} ${sha256}\n${payload}`);
    return [spool, name];
  }

  it('reads what was made with the right hash and says what a worker would', async () => {
    const [spool, name] = await forge((head) => ({ ...head, tenant: 'evil' }));
    expect((await spool.read(name)).finish.tenant).toBe('evil');
  });

  it.each([
    ['is no object', () => 'x', 'whose result'],
    ['lacks a field', ({ tenant: _, ...head }: Head) => head, 'whose result'],
    ['has a field of another kind', (head: Head) => ({ ...head, layers: 'all' }), 'whose result'],
    ['has a reason that does not exist', (head: Head) => ({ ...head, dead: 'bored' }), 'whose result'],
    ['is of another execution', (head: Head) => ({ ...head, epoch: 2 }), 'another execution'],
    ['has parts of other lengths', (head: Head) => ({ ...head, lengths: [1, 2, 3] }), 'not as long'],
    ['has lengths below nothing', (head: Head) => ({ ...head, lengths: [-1, 30, 10] }), 'whose result'],
    [
      'has another hash of the result',
      (head: Head) => ({ ...head, resultSha256: 'f'.repeat(64) }),
      'hash of the result',
    ],
  ])('refuses what has the right hash and %s', async (_, change, message) => {
    const [spool, name] = await forge(change);
    await expect(spool.read(name)).rejects.toThrow(message);
    await expect(spool.read(name)).rejects.toThrow(SpoolCorruptError);
  });

  it('refuses what is no regular file, or longer than all that may wait', async () => {
    const name = `${newUid()}-1.result`;
    const spool = await Spool.open(directory, { files: 10, bytes: 1000 });
    mkdirSync(join(directory, name));
    await expect(spool.read(name)).rejects.toThrow('no file');
    await spool.remove(name);
    symlinkSync('/etc/hostname', join(directory, name));
    await expect(spool.read(name)).rejects.toThrow('a link');
    const long = `${newUid()}-1.result`;
    writeFileSync(join(directory, long), 'x'.repeat(1001));
    await expect(spool.read(long)).rejects.toThrow('too many');
  });

  it('takes halves of results away when it is opened, and no whole one', async () => {
    const name = await (await Spool.open(directory)).put({ home: 'here', finish: finish('whole') });
    writeFileSync(join(directory, `${newUid()}-1.result.part`), 'half');
    await Spool.open(directory);
    expect(readdirSync(directory)).toEqual([name]);
  });

  it('does not take a half-written file for a result', async () => {
    const spool = await Spool.open(directory);
    writeFileSync(join(directory, `${newUid()}-1.result.part`), 'half');
    expect(await spool.names()).toEqual([]);
  });

  it('is bounded by files and by bytes, and has room again after a removal', async () => {
    const few = await Spool.open(directory, { files: 1, bytes: 10_000 });
    const name = await few.put({ home: 'here', finish: finish('one') });
    await expect(few.put({ home: 'here', finish: finish('two') })).rejects.toThrow(SpoolFullError);
    await few.remove(name);
    const kept = await few.put({ home: 'here', finish: finish('three') });
    const small = await Spool.open(directory, { files: 10, bytes: 800 });
    expect(await small.names()).toEqual([kept]);
    await expect(small.put({ home: 'here', finish: finish('x'.repeat(400)) })).rejects.toThrow(SpoolFullError);
  });
});
