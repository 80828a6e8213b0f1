/* G10: a million refused calls: what would flood a log, if any filter logged. Then deaths by filter, `argv[1]` of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *given = argc > 1 ? strchr(argv[1], ':') : 0;
  int refused = 0, killed = 0;
  for (int left = 1000000; left > 0; left--) refused += syscall(SYS_bpf, 0, 0, 0) == -1;
  for (int left = given ? atoi(given + 1) : 0; left > 0; left--) {
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
      syscall(0x40000000 | SYS_getpid);
      _exit(0);
    }
    if (child > 0 && waitpid(child, &status, 0) == child) killed += WIFSIGNALED(status);
  }
  printf("{\"refused\":%d,\"killed\":%d}", refused, killed);
  return 0;
}
