/*
 * bytes: small questions about names and other bytes.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Do S's LEN bytes end with END, and are more than that? */
static inline bool bytes_end_with(const char *s, size_t len, const char *end)
{
    size_t n = strlen(end);

    return len > n && !memcmp(s + len - n, end, n);
}

static inline bool ends_with(const char *s, const char *end)
{
    return bytes_end_with(s, strlen(s), end);
}

/* Is S a pattern of fnmatch(3), and not a name? */
static inline bool has_wildcard(const char *s)
{
    return strpbrk(s, "*?[") != NULL;
}

/* A byte of an ASCII identifier, at any place but the first. */
static inline bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* What follows the last slash of PATH; all of it when there is none. */
static inline const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Can a file of a folder of ours have it, among which those with a dot are our own? */
static inline bool is_file_name(const char *s)
{
    return *s && *s != '.' && !strchr(s, '/') && strlen(s) <= 255;
}

/* For qsort(3): what begins with a pointer to text, by that. */
static inline int order_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* FNV-1a; H is BYTES_HASH, or a hash of what came before. */
#define BYTES_HASH UINT64_C(0xcbf29ce484222325)
static inline uint64_t bytes_hash(uint64_t h, const void *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((const unsigned char *)p)[i]) * UINT64_C(0x100000001b3);
    return h;
}

#endif
