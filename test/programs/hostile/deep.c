/* A chain of directories, each in the one before. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
  int depth = 0;
  while (depth < 20000 && mkdir("d", 0755) == 0 && chdir("d") == 0) depth++;
  printf("%d\n", depth);
  return 0;
}
