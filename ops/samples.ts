// The jobs of the quickstart as data: what is submitted, and what must come of it.

/** How a sample must end; everything named is compared exactly. */
export interface Expectation {
  kind: string;
  exitCode?: number;
  phase?: 'build' | 'run';
  signal?: string;
  field?: string;
  stdout?: string;
  /** Text that stderr must contain. */
  stderrHas?: string;
  /** Path and whole text of each artifact. */
  artifacts?: Record<string, string>;
}

export interface Sample {
  name: string;
  job: Record<string, unknown>;
  expect: Expectation;
}

/** Things of the host that no job may reach. */
export interface Planted {
  /** Absolute path of a file that every host user may read. */
  canaryPath: string;
  /** TCP port of a listener on every address of the host. */
  port: number;
  /** An address of the host beside 127.0.0.1. */
  address: string;
}

const MIB = 1024 * 1024;

/** What the quickstart's operator allows at most. */
export const CEILINGS = { limits: { memoryBytes: 512 * MIB, wallTimeMs: 30_000, cpuTimeMs: 30_000 } };

/** The samples, in the order in which they are submitted. */
export function samples(planted: Planted): Sample[] {
  return [...greetings(), ...ordinary(), ...greedy(), ...curious(planted)];
}

function job(runtime: string, source: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { kind: 'job', version: 1, runtime, source, ...more };
}

function limited(limits: Record<string, unknown>): Record<string, unknown> {
  return { policy: { version: 1, limits } };
}

function greetings(): Sample[] {
  const hello = { kind: 'exited', exitCode: 0, phase: 'run', stdout: 'hello\n' } as const;
  const main = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n';
  return [
    { name: 'Python', job: job('python', "print('hello')\n"), expect: hello },
    { name: 'Node', job: job('node', "console.log('hello');\n"), expect: hello },
    { name: 'bash', job: job('bash', 'echo hello\n'), expect: hello },
    { name: 'C, built and run', job: job('c', main), expect: hello },
  ];
}

const SUM = `import pathlib, sys
total = sum(int(line) for line in sys.stdin)
total += sum(int(pathlib.Path(name).read_text()) for name in ('data/a.txt', 'data/b.txt'))
pathlib.Path('out').mkdir()
pathlib.Path('out/sum.txt').write_text(f'{total}\\n')
print(total)
`;
const CRASH = 'int main(void) { *(volatile int *)0 = 1; return 0; }\n';

function ordinary(): Sample[] {
  return [
    {
      name: 'C that does not compile',
      job: job('c', 'int main(void) { return nothing; }\n'),
      expect: { kind: 'exited', exitCode: 1, phase: 'build', stderrHas: 'undeclared' },
    },
    {
      name: 'stdin, two files, an artifact',
      job: job('python', SUM, {
        stdin: { text: '1\n2\n' },
        files: [
          { path: 'data/a.txt', text: '30' },
          { path: 'data/b.txt', text: '400' },
        ],
        artifacts: ['out/**'],
      }),
      expect: { kind: 'exited', exitCode: 0, stdout: '433\n', artifacts: { 'out/sum.txt': '433\n' } },
    },
    { name: 'exit 7', job: job('bash', 'exit 7\n'), expect: { kind: 'exited', exitCode: 7, phase: 'run' } },
    { name: 'crash', job: job('c', CRASH), expect: { kind: 'signaled', signal: 'SIGSEGV', phase: 'run' } },
  ];
}

// Children that find the limit wait, so that it is the first process that fails.
const FORK_BOMB = `import os, time
leader = os.getpid()
while True:
    try:
        os.fork()
    except OSError:
        if os.getpid() == leader:
            raise
        time.sleep(60)
`;

function greedy(): Sample[] {
  return [
    {
      name: 'endless loop',
      job: job('python', 'while True: pass\n', limited({ cpuTimeMs: 500, wallTimeMs: 20_000 })),
      expect: { kind: 'cpu-time-exceeded' },
    },
    {
      name: 'sleep past the wall limit',
      job: job('bash', 'sleep 60\n', limited({ wallTimeMs: 700 })),
      expect: { kind: 'wall-time-exceeded' },
    },
    {
      name: 'memory hog',
      job: job(
        'python',
        "hoard = []\nwhile True: hoard.append(b'x' * 1_000_000)\n",
        limited({ memoryBytes: 64 * MIB }),
      ),
      expect: { kind: 'memory-exceeded' },
    },
    {
      name: 'fork bomb',
      job: job('python', FORK_BOMB, limited({ processes: 16 })),
      expect: { kind: 'processes-exceeded' },
    },
    {
      name: 'output flood',
      job: job('bash', 'exec yes\n', limited({ outputBytes: 65_536 })),
      expect: { kind: 'output-exceeded' },
    },
  ];
}

function curious(planted: Planted): Sample[] {
  const read = `try:
    print(open(${JSON.stringify(planted.canaryPath)}).read())
except OSError as refused:
    print('refused', refused.strerror)
`;
  const connect = `import socket
for host in ('127.0.0.1', ${JSON.stringify(planted.address)}):
    try:
        socket.create_connection((host, ${planted.port}), 2).sendall(b'out')
        print('connected')
    except OSError:
        print('refused')
`;
  return [
    {
      name: 'read a file of the host',
      job: job('python', read),
      expect: { kind: 'exited', exitCode: 0, stdout: 'refused No such file or directory\n' },
    },
    {
      name: 'connect to the host',
      job: job('python', connect),
      expect: { kind: 'exited', exitCode: 0, stdout: 'refused\nrefused\n' },
    },
    {
      name: 'more memory than allowed here',
      job: job('python', "print('hello')\n", limited({ memoryBytes: 1024 * MIB })),
      expect: { kind: 'rejected', field: 'policy.limits.memoryBytes' },
    },
  ];
}
