import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { Pen } from '../helpers/pen.ts';

/** Each outcome that a guest, a caller or an operator's configuration can bring about, once through queue, worker and sandbox. */
let pen: Pen;
beforeAll(async () => {
  pen = await Pen.open();
  await pen.startWorker({ ceilings: { limits: { wallTimeMs: 60_000 } } });
});
afterAll(() => pen.close());

const job = (fields: Partial<JobInput>): JobInput =>
  ({ kind: 'job', version: 1, runtime: 'python', ...fields }) as JobInput;
const limits = (l: Record<string, number | string>) => ({ policy: { version: 1, limits: l } }) as Partial<JobInput>;
const MiB = 1024 * 1024;

const C_ABORT = '#include <stdlib.h>\nint main(void) { abort(); }';
const FORK_BOMB = 'import os,sys\nwhile True:\n  os.fork()';
const CATCHING_FORKS =
  'import os,time\nn=0\ntry:\n  while True:\n    if os.fork() == 0: time.sleep(20)\n    n+=1\nexcept OSError as e: print(n)';

const cases: [string, Partial<JobInput>, Record<string, unknown>][] = [
  ['exits 0', { source: 'print(6*7)' }, { outcome: { kind: 'exited', exitCode: 0, phase: 'run' }, rewardSafe: true }],
  ['exits 7', { source: 'raise SystemExit(7)' }, { outcome: { kind: 'exited', exitCode: 7, phase: 'run' } }],
  ['exits 255', { source: 'raise SystemExit(255)' }, { outcome: { kind: 'exited', exitCode: 255, phase: 'run' } }],
  [
    'dies of SIGSEGV',
    { source: 'import os; os.kill(os.getpid(), 11)' },
    { outcome: { kind: 'signaled', signal: 'SIGSEGV', phase: 'run' } },
  ],
  [
    'is started from another directory',
    { source: 'import os; print(os.getcwd())', cwd: '/tmp' },
    { outcome: { kind: 'exited', exitCode: 0, phase: 'run' }, stdout: expect.objectContaining({ text: '/tmp\n' }) },
  ],
  [
    'is built, and started from another directory',
    { runtime: 'c', source: 'int main(void) { return 9; }', cwd: '/' },
    { outcome: { kind: 'exited', exitCode: 9, phase: 'run' } },
  ],
  [
    'aborts in C',
    { runtime: 'c', source: C_ABORT },
    { outcome: { kind: 'signaled', signal: 'SIGABRT', phase: 'run' } },
  ],
  [
    'dies of its own SIGKILL',
    { source: 'import os; os.kill(os.getpid(), 9)' },
    { outcome: { kind: 'signaled', signal: 'SIGKILL', phase: 'run' } },
  ],
  [
    'does not compile',
    { runtime: 'c', source: 'int main( {' },
    { outcome: { kind: 'exited', exitCode: 1, phase: 'build' }, rewardSafe: true },
  ],
  [
    'sleeps past its wall limit',
    { source: 'import time; time.sleep(30)', ...limits({ wallTimeMs: 400 }) },
    { outcome: { kind: 'wall-time-exceeded', phase: 'run' }, attribution: 'guest' },
  ],
  [
    'stops itself and is killed at the wall limit',
    { source: 'import os; os.kill(os.getpid(), 19)', ...limits({ wallTimeMs: 400 }) },
    { outcome: { kind: 'wall-time-exceeded' } },
  ],
  [
    'loops past its CPU limit',
    { source: 'while True: pass', ...limits({ cpuTimeMs: 300 }) },
    { outcome: { kind: 'cpu-time-exceeded', phase: 'run' } },
  ],
  [
    'takes more memory than it may',
    { source: 'x = bytearray(1 << 30)\nprint(len(x))', ...limits({ memoryBytes: 64 * MiB }) },
    { outcome: { kind: 'memory-exceeded' }, rewardSafe: true },
  ],
  [
    'has a child that takes too much memory, and exits 0',
    {
      source: "import subprocess,sys\nsubprocess.run([sys.executable,'-c','x=bytearray(1<<30)'])",
      ...limits({ memoryBytes: 64 * MiB }),
    },
    { outcome: { kind: 'memory-exceeded' } },
  ],
  [
    'forks until it fails',
    { source: FORK_BOMB, ...limits({ processes: 16, wallTimeMs: 4000 }) },
    { limitsHit: expect.arrayContaining(['processes']) },
  ],
  [
    'copes with the process limit',
    { source: CATCHING_FORKS, ...limits({ processes: 8 }) },
    { outcome: { kind: 'exited', exitCode: 0 }, limitsHit: ['processes'], stdout: { text: '7\n' } },
  ],
  [
    'fails at the process limit',
    { source: 'import os,time\nwhile True:\n  if os.fork()==0: time.sleep(20)', ...limits({ processes: 8 }) },
    { outcome: { kind: 'processes-exceeded', phase: 'run' }, limitsHit: ['processes'] },
  ],
  [
    'prints one byte more than it may',
    { source: "import sys; sys.stdout.write('x'*1001)", ...limits({ outputBytes: 1000 }) },
    { outcome: { kind: 'output-exceeded' }, stdout: { bytes: 1000, truncated: true } },
  ],
  [
    'prints just what it may',
    { source: "import sys; sys.stdout.write('x'*1000)", ...limits({ outputBytes: 1000 }) },
    { outcome: { kind: 'exited', exitCode: 0 }, stdout: { bytes: 1000, totalBytes: 1000, truncated: false } },
  ],
  [
    'prints too much and only the rest is dropped',
    { source: "import sys; sys.stdout.write('x'*5000)", ...limits({ outputBytes: 1000, outputOverflow: 'truncate' }) },
    {
      outcome: { kind: 'exited', exitCode: 0 },
      stdout: { bytes: 1000, totalBytes: 5000, truncated: true },
      limitsHit: ['outputBytes'],
    },
  ],
  [
    'floods stderr',
    { command: ['/bin/sh', '-c', 'yes >&2'], ...limits({ outputBytes: 4096 }) },
    { outcome: { kind: 'output-exceeded' }, stderr: { bytes: 4096, truncated: true } },
  ],
  [
    'fills its disk',
    { source: "f=open('big','wb')\nwhile True: f.write(b'x'*65536)", ...limits({ diskBytes: 4 * MiB }) },
    { outcome: { kind: 'disk-exceeded' }, limitsHit: ['diskBytes'] },
  ],
  [
    'makes too many files',
    { source: "for i in range(10000): open(f'/tmp/{i}','w')", ...limits({ inodes: 100 }) },
    { outcome: { kind: 'disk-exceeded' }, limitsHit: ['inodes'] },
  ],
  [
    'copes with a full disk',
    {
      source: "try:\n  f=open('/tmp/big','wb',0)\n  while True: f.write(b'x'*65536)\nexcept OSError: print('coped')",
      ...limits({ diskBytes: 4 * MiB }),
    },
    { outcome: { kind: 'exited', exitCode: 0 }, limitsHit: ['diskBytes'] },
  ],
  [
    'is not to be found',
    { command: ['no-such-program'] },
    { outcome: { kind: 'exited', exitCode: 127, exec: 'ENOENT' } },
  ],
  [
    'is not executable',
    { command: ['./data'], files: [{ path: 'data', text: 'x' }] },
    { outcome: { kind: 'exited', exitCode: 126, exec: 'EACCES' } },
  ],
  [
    'asks for an unknown runtime',
    { runtime: 'cobol', source: 'x' },
    {
      outcome: { kind: 'rejected', field: 'runtime', rule: 'unknown-runtime' },
      attribution: 'caller',
      rewardSafe: false,
    },
  ],
  [
    'asks for more than the ceiling',
    { source: 'x', ...limits({ wallTimeMs: 60_001 }) },
    { outcome: { kind: 'rejected', field: 'policy.limits.wallTimeMs', rule: 'ceiling' } },
  ],
  [
    'asks for a policy that nobody defined',
    { source: 'x', policy: { name: 'nobody' } },
    { outcome: { kind: 'rejected', field: 'policy.name', rule: 'unknown-policy' } },
  ],
  [
    'asks for a backend that is not here',
    { source: 'x', policy: { version: 1, containment: 'microvm' } },
    { outcome: { kind: 'unavailable', layer: 'microvm' }, attribution: 'system' },
  ],
  [
    'requires a layer that is not here',
    { source: 'x', policy: { version: 1, require: ['vm'] } },
    { outcome: { kind: 'unavailable', layer: 'vm' } },
  ],
];

describe('an outcome for each way to end', () => {
  it.each(cases)('a job that %s', async (_name, fields, expected) => {
    const result = await pen.producer.run(job(fields), { timeoutMs: 30_000 });
    expect(result).toMatchObject(expected);
  });

  it('expires when nobody began it in time', async () => {
    const quiet = await Pen.open();
    try {
      const handle = await quiet.producer.submit(job({ source: 'print(1)', expiresInMs: 300 }));
      await new Promise((r) => setTimeout(r, 400));
      await quiet.startWorker();
      expect(await handle.result({ timeoutMs: 10_000 })).toMatchObject({
        outcome: { kind: 'expired' },
        epoch: 0,
        rewardSafe: false,
      });
    } finally {
      await quiet.close();
    }
  });
});

describe('what a job gets and gives', () => {
  it('reads stdin and two files, and leaves artifacts', async () => {
    const source =
      "import sys,os\nos.mkdir('out')\nopen('out/a.txt','w').write(sys.stdin.read()+open('a.txt').read()+open('d/b.bin').read())\nos.symlink('/etc/passwd','out/l')";
    const result = await pen.producer.run(
      job({
        source,
        stdin: { text: '1' },
        files: [
          { path: 'a.txt', text: '2' },
          { path: 'd/b.bin', base64: 'Mw==' },
        ],
        artifacts: ['out/**'],
      }),
    );
    expect(result.artifacts).toMatchObject([
      { path: 'out/a.txt', text: '123', bytes: 3 },
      { path: 'out/l', rejected: 'symlink' },
    ]);
    expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  });

  it('echoes 1 MiB of stdin', async () => {
    const text = 'abcdefgh'.repeat(131_072);
    const result = await pen.producer.run(job({ command: ['cat'], stdin: { text } }));
    expect(result.stdout).toMatchObject({ bytes: 1_048_576, totalBytes: 1_048_576, truncated: false });
    expect(result.stdout && 'text' in result.stdout && result.stdout.text === text).toBe(true);
  });

  it('keeps binary output byte for byte', async () => {
    const result = await pen.producer.run(job({ source: 'import sys; sys.stdout.buffer.write(bytes(range(256)))' }));
    expect(result.stdout).toMatchObject({
      base64: Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('base64'),
    });
  });

  it('has just the promised environment and the words it asked for', async () => {
    const result = await pen.producer.run(job({ command: ['/usr/bin/env'], env: { K: 'V w' } }));
    const lines = (result.stdout as { text: string }).text.trim().split('\n').sort();
    expect(lines).toEqual(['HOME=/work', 'K=V w', 'LANG=C.UTF-8', 'PATH=/usr/local/bin:/usr/bin:/bin', 'TMPDIR=/tmp']);
  });

  it('ends at once though a daemonised child holds stdout open, and the child is dead', async () => {
    const source =
      "import os,time,sys\nprint('main', flush=True)\nif os.fork()==0:\n  os.setsid()\n  if os.fork()==0: time.sleep(3600)\n  os._exit(0)\n";
    const started = Date.now();
    const result = await pen.producer.run(job({ source }));
    expect(result).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, stdout: { text: 'main\n' } });
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it('is told what held', async () => {
    const result = await pen.producer.run(job({ source: 'print(1)' }));
    const layers = result.sandbox?.layers.map((l) => l.layer) ?? [];
    const promised = [
      'user-namespace',
      'pid-namespace',
      'mount-namespace',
      'network-namespace',
      'ipc-namespace',
      'uts-namespace',
      'cgroup-namespace',
      'uid',
    ];
    const barriers = [
      'capabilities',
      'no-new-privs',
      'readonly-root',
      'workspace-quota',
      'rlimits',
      'seccomp',
      'landlock',
      'cgroup-memory',
      'cgroup-pids',
      'cgroup-cpu',
    ];
    expect(layers.sort()).toEqual([...promised, ...barriers].sort());
  });
});
