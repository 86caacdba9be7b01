/*
 * library: the same in a static executable ("make bundle"), which can load no library: glibc's
 * dlopen() would ask for the shared glibc that it was built with. Leaves: what it is linked with.
 */
#include <nss.h>
#include <stdlib.h>

#include "debug/library.h"

#include <stddef.h>
#include <string.h>

#ifdef STATIC_CURL
#include <curl/curl.h>
#endif
#if __has_include(<zstd.h>)
#include <zstd.h>
#endif

static const struct {
    const char *name;
    library_function *function;
} functions[] = {
#ifdef STATIC_CURL
    {"curl_global_init", (library_function *)curl_global_init},
    {"curl_easy_init", (library_function *)curl_easy_init},
    {"curl_easy_setopt", (library_function *)curl_easy_setopt},
    {"curl_easy_perform", (library_function *)curl_easy_perform},
    {"curl_easy_getinfo", (library_function *)curl_easy_getinfo},
    {"curl_easy_strerror", (library_function *)curl_easy_strerror},
    {"curl_slist_append", (library_function *)curl_slist_append},
#endif
#if __has_include(<zstd.h>)
    {"ZSTD_decompress", (library_function *)ZSTD_decompress},
#endif
    {NULL, NULL},
};

library_function *library_find(struct arena *a, const char *library, const char *name,
                               const char **why)
{
    for (size_t i = 0; functions[i].name; i++)
        if (!strcmp(functions[i].name, name))
            return functions[i].function;
    *why = arena_printf(a, "this ngstap is a static executable, which cannot load %s", library);
    return NULL;
}

/* "files" and "dns" are part of glibc, static or not, since 2.34; what else nsswitch.conf names
 * would be loaded, as would OpenSSL's providers and engines. */
void library_use_network(void)
{
    __nss_configure_lookup("hosts", "files dns");
    __nss_configure_lookup("passwd", "files");
    setenv("OPENSSL_CONF", "/dev/null", 1);
}
