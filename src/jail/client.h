/*
 * client: a fork that talks to servers, by a library that others wrote: what a server says is read
 * without privileges. Unlike a jail (jail.h) it has the network and its user, and opens files by
 * itself: what names of hosts and certificates take, and the paths that it is given.
 */
#ifndef JAIL_CLIENT_H
#define JAIL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

struct client_paths { /* files, and folders with all below them; those that are not there, or NULL,
                       * are left out */
    const char *const *v;
    uint32_t n;
};

/*
 * Takes from this process, a fork, for good: capabilities, all descriptors but the standard ones
 * and KEEP, paths but the client's (where the kernel has landlock, Linux 5.13), calls that no
 * client makes: other processes, executing, mounts. It ends when its parent does. False: it has
 * privileges still.
 */
bool client_lock(const struct client_paths *read, const struct client_paths *write, int keep);

#endif
