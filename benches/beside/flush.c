/* A disk whose flush takes longer: preloaded into every process of a server, it waits behind each flush as
 * long as GATEPOST_BENCH_FLUSH_US says, and counts them in the file that GATEPOST_BENCH_FLUSHES names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *flushes;
static long delay_us;

__attribute__((constructor)) static void begin(void) {
    const char *delay = getenv("GATEPOST_BENCH_FLUSH_US"), *path = getenv("GATEPOST_BENCH_FLUSHES");
    if (delay) delay_us = atol(delay);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *flushes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) flushes = map;
}

static void linger(void) {
    if (flushes) atomic_fetch_add(flushes, 1);
    struct timespec left = {delay_us / 1000000, delay_us % 1000000 * 1000};
    if (delay_us > 0) nanosleep(&left, NULL);
}

#define REAL(name) ({ \
    static typeof(&name) real; \
    if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name); \
    real; })

int fsync(int fd) { int done = REAL(fsync)(fd); linger(); return done; }
int fdatasync(int fd) { int done = REAL(fdatasync)(fd); linger(); return done; }
