/* Makes the k-th change of a file fail, or ends the process there.

   Loaded with LD_PRELOAD, it stands between the program (Python, SQLite, FAISS) and the C library. While it is armed it
   numbers the calls that change regular files or folders: 1, 2, 3, … At the k-th it does what it was armed for:

     0 nothing, only count             3 end the process instead of the call
     1 let this call fail              4 do half of a write, then end the process
     2 let every write fail from here on: the disk is full

   Writes and truncations fail with ENOSPC, everything else with EIO. Not seen: stores through mmap, and what the C
   library writes by itself (stdio). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 'w', SYNC = 's', RENAME = 'r', UNLINK = 'u', TRUNCATE = 't' };
enum { LIMIT = 65536, DEAD = 86 };

static int armed, mode;
static long count, target;
static char kinds[LIMIT + 1];

void fault_arm(int how, long k) { mode = how; target = k; count = 0; armed = 1; }
long fault_disarm(void) { armed = 0; return count; }
char fault_kind(long k) { return k >= 1 && k <= count && k <= LIMIT ? kinds[k] : 0; }

/* 0: go on; 1: fail, errno is set; 2: do half of it and end */
static int fault(int kind) {
    if (!armed) return 0;
    count++;
    if (count <= LIMIT) kinds[count] = (char)kind;
    int changes_size = kind == WRITE || kind == TRUNCATE;
    if (mode == 2 && count >= target && changes_size) { errno = ENOSPC; return 1; }
    if (count != target) return 0;
    if (mode == 1) { errno = changes_size ? ENOSPC : EIO; return 1; }
    if (mode == 3 || (mode == 4 && kind != WRITE)) _exit(DEAD);
    return mode == 4 ? 2 : 0;
}

static int regular(int fd) {
    struct stat found;
    return armed && fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

#define REAL(name, type, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL("write", ssize_t, int, const void *, size_t);
    int what = regular(fd) ? fault(WRITE) : 0;
    if (what == 1) return -1;
    if (what == 2) { real(fd, data, size / 2); _exit(DEAD); }
    return real(fd, data, size);
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, off64_t at) { \
        REAL(#name, ssize_t, int, const void *, size_t, off64_t); \
        int what = regular(fd) ? fault(WRITE) : 0; \
        if (what == 1) return -1; \
        if (what == 2) { real(fd, data, size / 2, at); _exit(DEAD); } \
        return real(fd, data, size, at); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL("writev", ssize_t, int, const struct iovec *, int);
    int what = regular(fd) ? fault(WRITE) : 0;
    if (what == 1) return -1;
    if (what == 2) { real(fd, parts, 1); _exit(DEAD); }
    return real(fd, parts, number);
}

ssize_t sendfile(int out, int in, off_t *at, size_t size) {
    REAL("sendfile", ssize_t, int, int, off_t *, size_t);
    int what = regular(out) ? fault(WRITE) : 0;
    if (what == 1) return -1;
    if (what == 2) { real(out, in, at, size / 2); _exit(DEAD); }
    return real(out, in, at, size);
}

#define ONE(name, kind, guard, parameters, types, ...) \
    int name parameters { \
        REAL(#name, int, types); \
        if ((guard) && fault(kind)) return -1; \
        return real(__VA_ARGS__); \
    }
#define TYPES(...) __VA_ARGS__
ONE(fsync, SYNC, 1, (int fd), TYPES(int), fd)
ONE(fdatasync, SYNC, 1, (int fd), TYPES(int), fd)
ONE(ftruncate, TRUNCATE, regular(fd), (int fd, off64_t size), TYPES(int, off64_t), fd, size)
ONE(ftruncate64, TRUNCATE, regular(fd), (int fd, off64_t size), TYPES(int, off64_t), fd, size)
ONE(rename, RENAME, 1, (const char *old, const char *new), TYPES(const char *, const char *), old, new)
ONE(renameat, RENAME, 1, (int from, const char *old, int to, const char *new),
    TYPES(int, const char *, int, const char *), from, old, to, new)
ONE(renameat2, RENAME, 1, (int from, const char *old, int to, const char *new, unsigned flags),
    TYPES(int, const char *, int, const char *, unsigned), from, old, to, new, flags)
ONE(unlink, UNLINK, 1, (const char *path), TYPES(const char *), path)
ONE(unlinkat, UNLINK, 1, (int folder, const char *path, int flags), TYPES(int, const char *, int), folder, path, flags)
ONE(rmdir, UNLINK, 1, (const char *path), TYPES(const char *), path)
