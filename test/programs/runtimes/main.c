// A C program: threads, a child, a shared mapping, a signal.
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int sum;

static void *add(void *unused) {
  for (int i = 0; i < 1000; i++) sum++;
  return unused;
}

static void ignore(int number) { (void)number; }

int main(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert(pthread_create(&threads[i], NULL, add, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert(shared != MAP_FAILED);
  signal(SIGUSR1, ignore);
  if (fork() == 0) {
    *shared = 42;
    _exit(0);
  }
  int status;
  assert(wait(&status) > 0 && status == 0 && *shared == 42 && raise(SIGUSR1) == 0);
  printf("c %d %.0f ok\n", sum, sqrt(1764));
}
