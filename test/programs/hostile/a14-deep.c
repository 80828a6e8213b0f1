/* A14: a chain of directories, each in the one before, as deep as the number in {"depth": N}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *digits = argc < 2 ? NULL : strpbrk(argv[1], "0123456789");
  int depth = 0, deepest = digits ? atoi(digits) : 0;
  while (depth < deepest && mkdir("d", 0755) == 0 && chdir("d") == 0) depth++;
  printf("%d\n", depth);
  return 0;
}
