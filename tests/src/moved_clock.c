/* A wall clock that a test moves: seconds in a file are added to the time of day, and to no other clock.
 *
 * Loaded before libc by every program that is linked with it dynamically; the file's path is compiled in. What is
 * mapped once stays so, whatever the program gives up later. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*of_libc)(clockid_t, struct timespec *);
static const volatile int64_t *seconds;

__attribute__((constructor)) static void begin(void) {
    of_libc = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int file = open(SECONDS_FILE, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *place = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (place != MAP_FAILED) seconds = place;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    /* Another library's constructor may come before ours. */
    if (of_libc == NULL) begin();
    int result = of_libc(clock, now);
    if (result == 0 && seconds != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *seconds;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (place != NULL) *place = precise.tv_sec;
    return precise.tv_sec;
}
