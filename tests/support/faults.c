/* Makes a disk fail for one process: preloaded into a child of the tests, it fails or delays the calls
 * that write and flush files, as its control file says. The parent writes the control file, the child
 * maps it, so both see every number at once.
 *
 * Eight numbers of 64 bits, then the end of the path of the files meant (NUL-terminated, at most 63):
 *   0 calls meant: 1 fsync/fdatasync, 2 write/pwrite, 4 ftruncate   1 errno, or 0 for a delay only
 *   2 calls to let pass first   3 calls to fail then   4 delay in microseconds   5 calls met so far
 *   6 calls failed or delayed so far   7 unused
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

struct control {
    _Atomic int64_t calls, error, pass, fail, delay_us, met, failed, unused;
    char suffix[64];
};

enum { FLUSH = 1, WRITE = 2, CUT = 4 };

static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("GATEPOST_TEST_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

static int is_meant(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    size_t suffix = strnlen(control->suffix, sizeof control->suffix);
    return length > 0 && suffix > 0 && (size_t)length >= suffix &&
           memcmp(path + length - suffix, control->suffix, suffix) == 0;
}

/* Whether this call fails; sets errno. */
static int fails(int call, int fd) {
    if (!control || !(atomic_load(&control->calls) & call) || !is_meant(fd)) return 0;
    atomic_fetch_add(&control->met, 1);
    if (atomic_fetch_sub(&control->pass, 1) > 0) return 0;
    if (atomic_fetch_sub(&control->fail, 1) <= 0) return 0;
    atomic_fetch_add(&control->failed, 1);
    int64_t delay = atomic_load(&control->delay_us);
    if (delay > 0) usleep((useconds_t)delay);
    int64_t error = atomic_load(&control->error);
    if (error) errno = (int)error;
    return error != 0;
}

#define REAL(name) ({ \
    static typeof(&name) real; \
    if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name); \
    real; })

int fsync(int fd) { return fails(FLUSH, fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(FLUSH, fd) ? -1 : REAL(fdatasync)(fd); }
ssize_t write(int fd, const void *bytes, size_t count) {
    return fails(WRITE, fd) ? -1 : REAL(write)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return fails(WRITE, fd) ? -1 : REAL(pwrite)(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return fails(WRITE, fd) ? -1 : REAL(pwrite64)(fd, bytes, count, at);
}
int ftruncate(int fd, off_t size) { return fails(CUT, fd) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails(CUT, fd) ? -1 : REAL(ftruncate64)(fd, size); }
