/* Delays one sync of a write-ahead log: if the file named by SLOW_FSYNC_ONCE exists, the next fsync or fdatasync of a
 * file with a name that ends in "-wal" removes it and takes SLOW_FSYNC_SECONDS longer. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_log(int fd)
{
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    return length > 4 && memcmp(name + length - 4, "-wal", 4) == 0;
}

static void delay(int fd)
{
    const char *once = getenv("SLOW_FSYNC_ONCE"), *seconds = getenv("SLOW_FSYNC_SECONDS");
    /* Of several threads, only the one that removes the file is delayed. */
    if (once && seconds && is_log(fd) && unlink(once) == 0)
        usleep((useconds_t)(atof(seconds) * 1e6));
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    delay(fd);
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    delay(fd);
    return real(fd);
}
