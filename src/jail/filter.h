/*
 * filter: the system calls of a jail, and the rest of what takes its privileges away.
 */
#ifndef JAIL_FILTER_H
#define JAIL_FILTER_H

#include <stdbool.h>
#include <sys/types.h>

/* Installs the table of calls for this thread, for good. SOCK: the channel. Returns the listener of
 * what the parent is asked for; -1 and errno. */
int filter_install(int sock);

/* Ends this process at what no client of servers does: of the table's what ends a jail, but for
 * threads and sockets. False: the kernel will not. */
bool filter_client(void);

/*
 * Takes from this process what it needs for nothing but harm: capabilities, its user (DROP_USER:
 * the parent may read its memory all the same), ways to files and to new privileges, limits. What
 * the kernel does not have is left out: the filter holds without it. False and errno: it has new
 * privileges still.
 */
bool lock_down(bool drop_user);

/* The same for a client (client.h): capabilities, paths but these, calls. */
struct client_paths;
bool lock_client(const struct client_paths *read, const struct client_paths *write);

/* Address sanitizer maps terabytes, and makes code. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
