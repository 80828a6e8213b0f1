/* E08: a child that keeps its parent's memory and never lets go of it: the parent waits where no signal but one reaches it. */
#define _GNU_SOURCE
#include <unistd.h>

int main(void) {
  if (vfork() == 0)
    for (;;) pause();
  return 0;
}
