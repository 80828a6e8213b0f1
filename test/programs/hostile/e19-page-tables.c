/* Memory that takes the kernel long to take back: one file, mapped again and again, with all its page tables. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int file = memfd_create("x", 0);
  size_t size = 60l << 20;
  if (argc < 2 || ftruncate(file, size) != 0) return 1;
  memset(mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), 1, size);
  /* Read faults bring sixteen pages at a time: far more tables in the same time than by writing. */
  for (long left = atol(argv[1]); left > 0; left--)
    if (mmap(0, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0) == MAP_FAILED) return 1;
  write(1, "full", 4);
  pause();
}
