import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Touches `BYTES` of fresh memory, a page at a time, and does nothing else: no library, no heap, one page of stack. */
const TOUCH = `
static long call(long n, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = -1;
  register long r9 __asm__("r9") = 0;
  long answer;
  __asm__ volatile("syscall" : "=a"(answer) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return answer;
}
void _start(void) {
  volatile char *memory = (volatile char *)call(9, 0, BYTES, 3, 0x22);
  for (long at = 0; at < BYTES; at += 4096) memory[at] = 1;
  call(231, 0, 0, 0, 0);
  __builtin_unreachable();
}`;

/** A static program that touches so many bytes, as a file of a job. */
export function touching(bytes: number): { path: string; base64: string; executable: true } {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-limits-guest-'));
  try {
    const program = join(directory, 'touch');
    const flags = [
      '-static',
      '-nostdlib',
      '-O1',
      '-fno-stack-protector',
      `-DBYTES=${bytes}L`,
      '-x',
      'c',
      '-o',
      program,
      '-',
    ];
    const built = spawnSync('gcc', flags, { input: TOUCH });
    if (built.status !== 0) throw new Error(String(built.stderr));
    return { path: 'touch', base64: readFileSync(program).toString('base64'), executable: true };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
