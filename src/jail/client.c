/*
 * client: makes a fork a client of servers. Enters: the paths that it needs besides; leaves: a
 * process that can do what they and the network allow. Refused: nothing that is asked for; what a
 * client reads on any system is the table here.
 */
#include "jail/client.h"

#include <stddef.h>
#include <unistd.h>

#include "jail/filter.h"

enum { PATHS_MAX = 64, DESCRIPTORS_MAX = 65536 };

/* No folder that has keys or password hashes: without landlock it is the file's mode that counts,
 * and of root's files that is little. */
static const char *const everywhere[] = {
    /* names of hosts */
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/run/systemd/resolve",
    "/run/nscd",
    "/var/run/nscd",
    /* certificates, and how they are judged */
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/gnutls",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates",
    /* libraries */
    "/etc/ld.so.cache",
    "/usr",
    "/lib",
    "/lib64",
    "/etc/localtime",
    "/proc/sys/crypto",
    "/dev/null",
    "/dev/urandom",
    "/dev/random",
};

bool client_lock(const struct client_paths *read, const struct client_paths *write, int keep)
{
    const char *v[PATHS_MAX];
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof(everywhere) / sizeof(*everywhere); i++)
        v[n++] = everywhere[i];
    for (uint32_t i = 0; i < read->n && n < PATHS_MAX; i++)
        if (read->v[i])
            v[n++] = read->v[i];
    const struct client_paths all = {v, n};
    long most = sysconf(_SC_OPEN_MAX);

    for (int fd = STDERR_FILENO + 1; fd < most && fd < DESCRIPTORS_MAX; fd++)
        if (fd != keep)
            close(fd);
    return lock_client(&all, write);
}
