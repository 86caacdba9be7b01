/*
 * file: whole files, programs of $PATH, and whether two are one (file.c).
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * What is left of FD, up to its end whatever fstat says (files of /proc say that they are empty): a
 * malloc'ed string, its length in *LEN (may be NULL) and a NUL behind it. NULL and errno: EFBIG for
 * more than MAX bytes, ENOMEM, or what read(2) says. FD stays open.
 */
char *file_read_fd(int fd, size_t max, size_t *len);
/* The same of the regular file at PATH; NULL and errno, EINVAL for one that is not regular. */
char *file_read(const char *path, size_t max, size_t *len);

/* The SIZE bytes of FD from AT on, into TO; false: there are fewer, or they cannot be read. */
bool file_read_at(int fd, void *to, size_t size, uint64_t at);

/* The number that a small file of /proc or /sys shows, FORMAT as for scanf(3); false and errno,
 * ENODEV for another text. */
bool file_number(const char *path, const char *format, unsigned *value);

/* What a file is, as far as its inode says: it changes when what the file holds does. */
struct file_identity {
    uint64_t dev, ino, size;
    int64_t modified_ns, changed_ns; /* since 1970; the second nobody can set back */
};
void file_identity(const struct stat *st, struct file_identity *out);

/* Are they of one file (or directory)? */
static inline bool file_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * The first "DIR/NAME" of $PATH (of OTHERWISE, when there is no $PATH) that ACCEPT takes,
 * malloc'ed; NULL: none.
 */
char *file_search(const char *name, const char *otherwise,
                  bool (*accept)(const char *path, void *arg), void *arg);

/* Removes PATH and, where it is a folder, what is in it, as far as that can be done. Links are not
 * followed. */
void file_remove_tree(const char *path);

#endif
