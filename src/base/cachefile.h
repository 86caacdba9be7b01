/*
 * cachefile: files of the cache (base/cachedir.h) that are made again where there are none.
 */
#ifndef BASE_CACHEFILE_H
#define BASE_CACHEFILE_H

#include <stddef.h>
#include <stdint.h>

enum { CACHEFILE_KEY_SIZE = 32 };

/*
 * What was kept in FOLDER under KEY, which says what it was made of (a SHA-256): malloc'ed, *SIZE
 * bytes; NULL: nothing that can be believed. Whoever could write the folder could write anything,
 * so the caller checks what it relies on.
 */
void *cachefile_load(const char *folder, const uint8_t key[CACHEFILE_KEY_SIZE], size_t *size);
/* Keeps SIZE bytes under KEY, and drops what was not used for long where there is too much. */
void cachefile_save(const char *folder, const uint8_t key[CACHEFILE_KEY_SIZE], const void *data,
                    size_t size);

#endif
