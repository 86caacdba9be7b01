/*
 * file_test: whole files: bounds, what is not regular, /proc, programs of $PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "tap.h"

static bool is_file(const char *path, void *arg)
{
    ++*(int *)arg;
    return !access(path, F_OK);
}

/* A file of N bytes at PATH. */
static void fill(const char *path, size_t n)
{
    FILE *f = fopen(path, "we");

    for (size_t i = 0; f && i < n; i++)
        fputc('a' + (int)(i % 26), f);
    if (f)
        fclose(f);
}

static void test_read(void)
{
    size_t len = 0;
    char *text;

    fill("file", 20000);
    text = file_read("file", 20000, &len);
    tap_ok(text && len == 20000 && text[19999] == 'f' && text[20000] == '\0',
           "a file of exactly the bound, with a NUL behind it");
    free(text);
    errno = 0;
    tap_ok(!file_read("file", 19999, &len) && errno == EFBIG, "a byte more is EFBIG");
    fill("file", 0);
    text = file_read("file", 1, &len);
    tap_ok(text && len == 0 && !*text, "an empty file");
    free(text);
    errno = 0;
    tap_ok(!file_read("none", 1, NULL) && errno == ENOENT, "no file");
    errno = 0;
    tap_ok(!file_read(".", 100, NULL) && errno == EINVAL, "a directory is refused");
    if (!mkfifo("fifo", 0600))
        tap_ok(!file_read("fifo", 100, NULL) && errno == EINVAL,
               "a pipe that nobody writes to is refused, not waited for");
    text = file_read("/proc/self/stat", 4096, &len);
    tap_ok(text && len > 20 && strchr(text, ')'), "a file of /proc, which says that it is empty");
    free(text);
}

static void test_search(void)
{
    int asked = 0;
    char *found;

    mkdir("a", 0700);
    mkdir("b", 0700);
    fill("b/tool", 1);
    setenv("PATH", "a::b:c", 1);
    found = file_search("tool", "", is_file, &asked);
    tap_text(found, "b/tool", "the first that will do");
    tap_ok(asked == 3, "an empty word of $PATH is the working directory");
    free(found);
    tap_ok(!file_search("other", "b", is_file, &asked), "what is in no directory of $PATH");
    unsetenv("PATH");
    found = file_search("tool", "b", is_file, &asked);
    tap_text(found, "b/tool", "without $PATH another list");
    free(found);
}

int main(void)
{
    char folder[] = "/tmp/file_test.XXXXXX";

    if (!mkdtemp(folder) || chdir(folder))
        return 1;
    test_read();
    test_search();
    tap_ok(ends_with("a.stp", ".stp") && !ends_with(".stp", ".stp") && !ends_with("a.st", ".stp"),
           "an ending has something before it");
    tap_ok(bytes_hash(BYTES_HASH, "foobar", 6) == 0x85944171f73967e8, "FNV-1a, as published");
    remove("file"), remove("fifo"), remove("b/tool"), rmdir("a"), rmdir("b");
    if (!chdir("/"))
        rmdir(folder);
    return tap_done();
}
