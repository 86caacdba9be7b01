/*
 * http: one POST. Enters: a URL, headers, a body; leaves: the status, Retry-After and the beginning
 * of the answer. Refused: what is neither http nor https, redirections, an answer that takes too
 * long or never ends.
 *
 * libcurl does it (curl_easy_setopt(3)): TLS, proxies ($https_proxy, $NO_PROXY) and ~/.netrc are
 * its. It is loaded when it is needed, as most runs need none, and in a process of its own: what a
 * server says is read without capabilities and without any file of ours, and if the library dies or
 * hangs, the answer is an error.
 */
#include "config.h"

#include "push/http.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "debug/library.h"
#include "jail/client.h"

enum {
    CONNECT_SECONDS = 5,
    SILENT_SECONDS = 20,  /* in which not a byte goes either way */
    GRACE_SECONDS = 2,    /* for the process, beyond what the library is given */
    ANSWER_MAX = 4 << 20, /* bytes of an answer: OTLP/HTTP's limit for a client */
};

/* What is used of <curl/curl.h>, whose numbers are an ABI; since libcurl 7.66. */
enum {
    OPT_NETRC = 51,
    OPT_FOLLOWLOCATION = 52,
    OPT_LOW_SPEED_LIMIT = 19,
    OPT_LOW_SPEED_TIME = 20,
    OPT_CONNECTTIMEOUT = 78,
    OPT_HTTP_VERSION = 84,
    OPT_NOSIGNAL = 99,
    OPT_TIMEOUT_MS = 155,
    OPT_PROTOCOLS = 181,
    OPT_SOCKS5_AUTH = 267,
    OPT_WRITEDATA = 10001,
    OPT_URL = 10002,
    OPT_ERRORBUFFER = 10010,
    OPT_POSTFIELDS = 10015,
    OPT_USERAGENT = 10018,
    OPT_HTTPHEADER = 10023,
    OPT_SSLCERT = 10025,
    OPT_CAINFO = 10065,
    OPT_SSLKEY = 10087,
    OPT_WRITEFUNCTION = 20011,
    OPT_POSTFIELDSIZE_LARGE = 30120,
    INFO_RESPONSE_CODE = 0x200000 + 2,
    INFO_RETRY_AFTER = 0x600000 + 57,
    GLOBAL_ALL = 3,
    NETRC_OPTIONAL = 1,
    PROTO_HTTP_HTTPS = 3,
    HTTP_1_1 = 2,
    AUTH_BASIC = 1,
    ERROR_SIZE = 256,
};

struct curl_slist;
static struct client {
    int (*global_init)(long flags);
    void *(*easy_init)(void);
    int (*setopt)(void *easy, int option, ...);
    int (*perform)(void *easy);
    int (*getinfo)(void *easy, int info, ...);
    const char *(*strerror)(int code);
    struct curl_slist *(*append)(struct curl_slist *list, const char *text);
} client;

static const struct {
    const char *name;
    size_t at; /* in struct client */
} functions[] = {
    {"curl_global_init", offsetof(struct client, global_init)},
    {"curl_easy_init", offsetof(struct client, easy_init)},
    {"curl_easy_setopt", offsetof(struct client, setopt)},
    {"curl_easy_perform", offsetof(struct client, perform)},
    {"curl_easy_getinfo", offsetof(struct client, getinfo)},
    {"curl_easy_strerror", offsetof(struct client, strerror)},
    {"curl_slist_append", offsetof(struct client, append)},
};

static bool load_from(struct arena *a, const char *library, const char **why)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        library_function *function = library_find(a, library, functions[i].name, why);

        if (!function)
            return false;
        memcpy((char *)&client + functions[i].at, &function, sizeof(function));
    }
    return true;
}

static void say(struct http_answer *out, const char *text)
{
    size_t n = strlen(text);

    out->status = 0;
    out->n = n < HTTP_TEXT_MAX ? (uint32_t)n : HTTP_TEXT_MAX;
    memcpy(out->text, text, out->n);
}

/* One ABI under two names: Debian's curl comes with the one, its git with the other. */
static bool load_client(struct http_answer *out)
{
    static const char *const libraries[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    struct arena *a = arena_new();
    const char *why = "", *first = NULL;

    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        if (load_from(a, libraries[i], &why)) {
            arena_free(a);
            return true;
        }
        first = first ? first : why;
    }
    say(out, arena_printf(a, "%s (Debian: apt-get install libcurl4)", first));
    arena_free(a);
    return false;
}

/* ---- the process that asks ---- */

struct taken {
    struct http_answer *out;
    uint64_t all;
};

static size_t take_answer(char *bytes, size_t size, size_t n, void *arg)
{
    struct taken *t = arg;
    size_t len = size * n, room = HTTP_TEXT_MAX - t->out->n;

    t->all += len;
    if (t->all > ANSWER_MAX)
        return 0; /* ends it */
    memcpy(t->out->text + t->out->n, bytes, len < room ? len : room);
    t->out->n += (uint32_t)(len < room ? len : room);
    return len;
}

/* Where the distributions keep them; a library that was built on another system looks elsewhere. */
static const char *system_certificates(void)
{
    static const char *const paths[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* SUSE */
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        if (!access(paths[i], R_OK))
            return paths[i];
    return NULL;
}

static const char *certificates(const struct http_request *r)
{
    static const char *const names[] = {"CURL_CA_BUNDLE",
                                        "SSL_CERT_FILE"}; /* as curl(1) has them */

    if (r->ca_file)
        return r->ca_file;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *path = getenv(names[i]);

        if (path && *path)
            return path;
    }
    return system_certificates();
}

static void ask(const struct http_request *r, struct http_answer *out)
{
    char error[ERROR_SIZE] = "";
    struct taken taken = {.out = out};
    struct curl_slist *headers = NULL;
    const char *ca = certificates(r);
    long status = 0;
    int64_t wait = 0;
    void *easy;

    if (client.global_init(GLOBAL_ALL) || !(easy = client.easy_init())) {
        say(out, "libcurl cannot be started");
        return;
    }
    for (uint32_t i = 0; i < r->n_headers; i++)
        headers = client.append(headers, r->headers[i]);
    headers = client.append(headers, "Expect:"); /* no 100-continue */
    client.setopt(easy, OPT_URL, r->url);
    client.setopt(easy, OPT_HTTPHEADER, headers);
    client.setopt(easy, OPT_USERAGENT, "ngstap/" PACKAGE_VERSION);
    client.setopt(easy, OPT_POSTFIELDSIZE_LARGE, (int64_t)r->n);
    client.setopt(easy, OPT_POSTFIELDS, r->body);
    client.setopt(easy, OPT_WRITEFUNCTION, take_answer);
    client.setopt(easy, OPT_WRITEDATA, &taken);
    client.setopt(easy, OPT_ERRORBUFFER, error);
    client.setopt(easy, OPT_PROTOCOLS, (long)PROTO_HTTP_HTTPS);
    /* what the bundle's client is linked without: HTTP/2, Kerberos */
    client.setopt(easy, OPT_HTTP_VERSION, (long)HTTP_1_1);
    client.setopt(easy, OPT_SOCKS5_AUTH, (long)AUTH_BASIC);
    client.setopt(easy, OPT_FOLLOWLOCATION, 0L);
    client.setopt(easy, OPT_NETRC, (long)NETRC_OPTIONAL);
    client.setopt(easy, OPT_NOSIGNAL, 1L);
    client.setopt(easy, OPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    client.setopt(easy, OPT_LOW_SPEED_LIMIT, 1L);
    client.setopt(easy, OPT_LOW_SPEED_TIME, (long)SILENT_SECONDS);
    client.setopt(easy, OPT_TIMEOUT_MS, r->seconds * 1000);
    if (ca)
        client.setopt(easy, OPT_CAINFO, ca);
    if (r->cert_file)
        client.setopt(easy, OPT_SSLCERT, r->cert_file);
    if (r->key_file)
        client.setopt(easy, OPT_SSLKEY, r->key_file);
    int code = client.perform(easy);

    if (code) {
        say(out, taken.all > ANSWER_MAX ? "its answer is larger than 4 MiB"
                 : *error               ? error
                                        : client.strerror(code));
        return;
    }
    client.getinfo(easy, INFO_RESPONSE_CODE, &status);
    client.getinfo(easy, INFO_RETRY_AFTER, &wait);
    out->status = (unsigned)status;
    out->wait = wait;
}

/* Nothing that the library does needs more than the network, and the files that R names. */
static bool drop_rights(const struct http_request *r, int keep)
{
    const char *home = getenv("HOME");
    char netrc[PATH_MAX];

    snprintf(netrc, sizeof(netrc), "%s/.netrc", home ? home : "");
    const char *const files[] = {certificates(r), r->cert_file, r->key_file, netrc};
    const struct client_paths read = {files, sizeof(files) / sizeof(*files)}, write = {NULL, 0};

    return client_lock(&read, &write, keep);
}

static void write_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n) {
        ssize_t put = write(fd, at, n);

        if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            at += put;
            n -= (size_t)put;
        }
    }
}

/* ---- the one that waits ---- */

/* The whole of *OUT from FD within SECONDS; false: it did not come. */
static bool receive(int fd, struct http_answer *out, long seconds, bool *late)
{
    uint64_t until = clock_ms(CLOCK_MONOTONIC) + (uint64_t)seconds * 1000;
    size_t n = 0;

    while (n < sizeof(*out)) {
        uint64_t now = clock_ms(CLOCK_MONOTONIC);
        struct pollfd p = {.fd = fd, .events = POLLIN};

        *late = now >= until;
        if (*late || (poll(&p, 1, (int)(until - now)) < 0 && errno != EINTR))
            return false;
        if (!p.revents)
            continue;
        ssize_t got = read(fd, (char *)out + n, sizeof(*out) - n);

        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        n += got > 0 ? (size_t)got : 0;
    }
    return out->n <= HTTP_TEXT_MAX;
}

void http_post(const struct http_request *r, struct http_answer *out)
{
    bool late = false;
    int fds[2];

    *out = (struct http_answer){0};
    if (pipe2(fds, O_CLOEXEC)) {
        say(out, strerror(errno));
        return;
    }
    pid_t pid = fork();

    if (!pid) {
        library_use_network();
        if (load_client(out)) {
            if (drop_rights(r, fds[1]))
                ask(r, out);
            else
                say(out, "the HTTP client's privileges cannot be taken away");
        }
        write_all(fds[1], out, sizeof(*out));
        _exit(0);
    }
    close(fds[1]);
    bool ok = pid > 0 && receive(fds[0], out, r->seconds + GRACE_SECONDS, &late);
    int error = errno;

    close(fds[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (ok)
        return;
    *out = (struct http_answer){0};
    if (pid < 0)
        say(out, strerror(error));
    else
        say(out, late ? "the HTTP client did not end in time" : "the HTTP client died");
}
