/* B15, B21: many empty files in one directory, as many as the number in {"files": N}. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *digits = argc < 2 ? NULL : strpbrk(argv[1], "0123456789");
  long files = digits ? atol(digits) : 0;
  char name[32];
  if (mkdir("w", 0755) != 0 || chdir("w") != 0) return 1;
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "%ld", i);
    int file = open(name, O_CREAT | O_WRONLY, 0644);
    if (file < 0) return 2;
    close(file);
  }
  return 0;
}
