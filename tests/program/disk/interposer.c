/*
 * Stands between the node and the disk (LD_PRELOAD), for tests.
 *
 * It watches everything below DISK_ROOT. With DISK_JOURNAL it writes down, in order, every change
 * and every fsync, so that a test can work out what a power cut at any point would have left. With
 * DISK_FAULT=n:errno:count it makes `count` changes, from the nth on, fail; with DISK_FAULT_SYNC=path
 * too, only fsyncs of that file are counted. With DISK_SLOW=n each fdatasync takes n microseconds
 * more.
 *
 * A record of the journal: kind (1 byte), two numbers and two lengths (8 bytes each, of this
 * machine), then that many bytes: a path, and data or a second path.
 *
 * One lock is held around each call, so the journal's order is the order in which things happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, SYNC, DATASYNC, RENAME, UNLINK, MKDIR, TRUNCATE, FAILED_SYNC };

#define FDS 4096
static char *paths[FDS];
/* Those that were opened after an fsync had failed. */
static char opened_later[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *fault_sync;
static int journal = -1;
static long fault_from = -1, fault_count, fault_errno, changes, slow;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    root = getenv("DISK_ROOT");
    const char *path = getenv("DISK_JOURNAL");
    if (path) journal = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    const char *slowly = getenv("DISK_SLOW");
    if (slowly) slow = atol(slowly);
    const char *fault = getenv("DISK_FAULT");
    fault_sync = getenv("DISK_FAULT_SYNC");
    if (fault) sscanf(fault, "%ld:%ld:%ld", &fault_from, &fault_errno, &fault_count);
}

static int watched(const char *path) {
    return root && path && strncmp(path, root, strlen(root)) == 0 && !strstr(path, "control.sock");
}

static const char *path_of(int fd) {
    return fd >= 0 && fd < FDS ? paths[fd] : NULL;
}

/* Whether this change, an fsync of `synced` if that is not NULL, is to fail; errno says how. */
static int fails(const char *synced) {
    if (fault_sync && !(synced && strcmp(synced, fault_sync) == 0)) return 0;
    changes++;
    if (fault_from < 0 || changes < fault_from || changes >= fault_from + fault_count) return 0;
    errno = (int)fault_errno;
    return 1;
}

static void note(char kind, uint64_t a, uint64_t b, const char *path, const void *data, uint64_t length) {
    if (journal < 0) return;
    REAL(write);
    uint64_t numbers[4] = {a, b, strlen(path), length};
    size_t size = 1 + sizeof numbers + numbers[2] + length;
    char *record = malloc(size);
    record[0] = kind;
    memcpy(record + 1, numbers, sizeof numbers);
    memcpy(record + 1 + sizeof numbers, path, numbers[2]);
    memcpy(record + 1 + sizeof numbers + numbers[2], data, length);
    int saved = errno;
    if (real(journal, record, size) != (ssize_t)size) abort();
    errno = saved;
    free(record);
}

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= FDS || !watched(path)) return fd;
    free(paths[fd]);
    paths[fd] = strdup(path);
    opened_later[fd] = 1;
    if (!existed) note(CREATE, 0, 0, path, "", 0);
    else if (flags & O_TRUNC) note(TRUNCATE, 0, 0, path, "", 0);
    return fd;
}

static int open_watched(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    /* A file without a name ends with the power. */
    if (!watched(path) || (flags & O_TMPFILE) == O_TMPFILE) return real(path, flags, mode);
    pthread_mutex_lock(&lock);
    int existed = access(path, F_OK) == 0;
    int fd = -1;
    if ((existed && !(flags & O_TRUNC)) || !(flags & O_CREAT) || !fails(NULL))
        fd = opened(real(path, flags, mode), path, flags, existed);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
        return open_watched(real, path, flags, mode); \
    }

OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(close);
    pthread_mutex_lock(&lock);
    if (path_of(fd)) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return real(fd);
}

#define CHANGE(fd, call, on_success) \
    pthread_mutex_lock(&lock); \
    const char *path = path_of(fd); \
    __typeof__(call) result = -1; \
    if (!path || !fails(NULL)) { \
        result = call; \
        if (path && result >= 0) { on_success; } \
    } \
    pthread_mutex_unlock(&lock); \
    return result

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    REAL(pwrite64);
    CHANGE(fd, real(fd, data, length, at), note(WRITE, (uint64_t)at, 0, path, data, (uint64_t)result));
}

ssize_t write(int fd, const void *data, size_t length) {
    REAL(write);
    if (!path_of(fd)) return real(fd, data, length);
    CHANGE(fd, real(fd, data, length),
           note(WRITE, (uint64_t)(lseek(fd, 0, SEEK_CUR) - result), 0, path, data, (uint64_t)result));
}

/* Linux tells of a failed write-back once through each description that was open then. */
static char *unsaid_path;
static int said_to;

static int fails_sync(int fd, const char *path) {
    if (unsaid_path && fd != said_to && !opened_later[fd] && strcmp(path, unsaid_path) == 0) {
        free(unsaid_path);
        unsaid_path = NULL;
        errno = (int)fault_errno;
        return 1;
    }
    if (!fails(path)) return 0;
    /* What was not written yet counts as written now. */
    note(FAILED_SYNC, 0, 0, path, "", 0);
    free(unsaid_path);
    unsaid_path = strdup(path);
    said_to = fd;
    memset(opened_later, 0, sizeof opened_later);
    return 1;
}

#define SYNC_CHANGE(fd, call, kind) \
    pthread_mutex_lock(&lock); \
    const char *path = path_of(fd); \
    int result = -1; \
    if (!path || !fails_sync(fd, path)) { \
        result = call; \
        if (path && result == 0) note(kind, 0, 0, path, "", 0); \
    } \
    pthread_mutex_unlock(&lock); \
    return result

int fsync(int fd) {
    REAL(fsync);
    SYNC_CHANGE(fd, real(fd), SYNC);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    /* A slow disk is what is wanted; there is nothing to wait for. */
    if (slow && path_of(fd)) usleep((useconds_t)slow);
    SYNC_CHANGE(fd, real(fd), DATASYNC);
}

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    CHANGE(fd, real(fd, length), note(TRUNCATE, (uint64_t)length, 0, path, "", 0));
}

#define NAME_CHANGE(path, call, on_success) \
    if (!watched(path)) return call; \
    pthread_mutex_lock(&lock); \
    int result = -1; \
    if (!fails(NULL)) { \
        result = call; \
        if (result == 0) { on_success; } \
    } \
    pthread_mutex_unlock(&lock); \
    return result

int rename(const char *from, const char *to) {
    REAL(rename);
    NAME_CHANGE(from, real(from, to), note(RENAME, 0, 0, from, to, strlen(to)));
}

int unlink(const char *path) {
    REAL(unlink);
    NAME_CHANGE(path, real(path), note(UNLINK, 0, 0, path, "", 0));
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    NAME_CHANGE(path, real(path, mode), note(MKDIR, 0, 0, path, "", 0));
}
