// Prints how fast this machine's time stamp counter runs, in kHz. A guest under emulation reads the same counter and can't measure
// it reliably: its other clocks are emulated and stand still while it is not being run.

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(void) {
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = 100 * 1000 * 1000};
  const int64_t from = nanoseconds();
  const uint64_t ticks_from = __rdtsc();
  nanosleep(&pause, NULL);
  const int64_t took = nanoseconds() - from;
  const uint64_t ticks = __rdtsc() - ticks_from;
  printf("%lld\n", (long long)((double)ticks * 1e6 / (double)took));
  return 0;
}
