/*
 * pack: debug files out of packs. A pack is an ar archive (ar(5)) of debug files, each called
 * BUILDID.debug; dbg_pack makes them (pack_elf.c), and others may have. Enters: a build-id, the
 * packs of -d and of two folders of this machine; leaves: the file of that build, copied into
 * memory, open, its build-id checked. Refused, and said: packs that hold other builds only,
 * archives cut short, members that are too large, packs of the folders that others than root and
 * this user may write to.
 */
#include <ar.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compile.h"
#include "base/file.h"
#include "debug/debugfile.h"

#define OF_USER   "/.local/share/ngstap/packs"
#define OF_SYSTEM "/usr/share/ngstap/packs"

enum {
    MEMBERS_MAX = 65536,
    NAMES_MAX = 8 << 20,    /* of the table of long names */
    MEMBER_MAX = 256 << 20, /* a pack of Chromium would be 100 MB */
    SHOWN_MAX = 4,          /* builds that a message names */
};

struct archive {
    struct search *s;
    const char *path;
    int fd;
    uint64_t size, at; /* the next header */
    char *names;       /* the table of long names */
    uint64_t n_names;
};

struct member {
    const char *name;
    uint64_t at, size;
};

/* A field of digits, which blanks fill up. */
static bool decimal(const char *field, size_t n, uint64_t *out)
{
    size_t i = 0;

    *out = 0;
    for (; i < n && field[i] >= '0' && field[i] <= '9'; i++)
        *out = *out * 10 + (uint64_t)(field[i] - '0');
    return i > 0 && (i == n || field[i] == ' ');
}

/* "name/", or "/N": from byte N of the table on, as far as "/\n". */
static const char *member_name(struct archive *ar, const char *field, size_t n)
{
    uint64_t from;

    if (field[0] != '/')
        return arena_strndup(ar->s->a, field, strcspn(arena_strndup(ar->s->a, field, n), "/ "));
    if (!decimal(field + 1, n - 1, &from) || from >= ar->n_names)
        return "";
    const char *name = ar->names + from;

    return arena_strndup(ar->s->a, name, strcspn(name, "/\n")); /* the table has a NUL behind it */
}

/* False: the end, or, with *WHY set, what is wrong. */
static bool next_member(struct archive *ar, struct member *m, const char **why)
{
    struct ar_hdr h;

    while (ar->at < ar->size) {
        *why = "it is cut short, or no sound archive";
        if (!file_read_at(ar->fd, &h, sizeof(h), ar->at) || memcmp(h.ar_fmag, ARFMAG, 2) != 0 ||
            !decimal(h.ar_size, sizeof(h.ar_size), &m->size))
            return false;
        m->at = ar->at + sizeof(h);
        if (m->size > ar->size - m->at)
            return false;
        ar->at = m->at + m->size + (m->size & 1);
        *why = NULL;
        if (memcmp(h.ar_name, "//", 2) != 0) {
            m->name = member_name(ar, h.ar_name, sizeof(h.ar_name));
            return true;
        }
        *why = "its table of names is too large, or cut short";
        if (ar->names || m->size > NAMES_MAX)
            return false;
        ar->names = arena_alloc(ar->s->a, m->size + 1);
        if (!file_read_at(ar->fd, ar->names, m->size, m->at))
            return false;
        ar->n_names = m->size;
        *why = NULL;
    }
    return false;
}

/* M's bytes as a file of their own. */
static bool copy_member(struct archive *ar, const struct member *m, struct elf_file *out)
{
    char buf[65536];
    int fd = m->size <= MEMBER_MAX ? memfd_create("pack", MFD_CLOEXEC) : -1;

    for (uint64_t done = 0; fd >= 0 && done < m->size;) {
        uint64_t n = m->size - done < sizeof(buf) ? m->size - done : sizeof(buf);

        if (!file_read_at(ar->fd, buf, n, m->at + done) || write(fd, buf, n) != (ssize_t)n) {
            close(fd);
            return false;
        }
        done += n;
    }
    return elf_file_open(out, fd);
}

/* Is M the debug file of that build? False: S says why not. */
static bool take(struct archive *ar, const struct member *m, const struct build_id *id,
                 struct elf_file *out)
{
    const char *why = "its debug file of that build is too large, or not a sound ELF file";

    if (copy_member(ar, m, out)) {
        why = debugfile_misfit(ar->s->a, out, id);
        if (!why)
            return true;
        elf_file_close(out);
    }
    search_refused(ar->s, "", ar->path, why);
    return false;
}

/* Looks for the build ID; NAMED: by -d, so that a pack of other builds is worth a word. */
static bool look(struct archive *ar, const struct build_id *id, bool named, struct elf_file *out)
{
    const char *wanted = arena_printf(ar->s->a, "%s.debug", build_id_text(ar->s->a, id));
    const char *others = NULL, *why = NULL;
    struct member m;
    char magic[SARMAG];
    uint32_t n = 0;

    if (!file_read_at(ar->fd, magic, SARMAG, 0) || memcmp(magic, ARMAG, SARMAG) != 0) {
        search_refused(ar->s, "", ar->path, "it is no pack (an ar archive of debug files)");
        return false;
    }
    for (ar->at = SARMAG; n < MEMBERS_MAX && next_member(ar, &m, &why); n++) {
        if (!strcmp(m.name, wanted))
            return take(ar, &m, id, out);
        if (n < SHOWN_MAX)
            others = arena_printf(ar->s->a, "%s%s%.*s", others ? others : "", others ? ", " : "",
                                  (int)strcspn(m.name, "."), m.name);
    }
    if (why)
        search_refused(ar->s, "", ar->path, why);
    else if (named)
        search_refused(ar->s, "", ar->path,
                       arena_printf(ar->s->a, "it is of %s (build-id %s%s)",
                                    n == 1 ? "another build" : "other builds",
                                    others ? others : "of none", n > SHOWN_MAX ? ", ..." : ""));
    return false;
}

/* -d names files of layouts, too. */
static bool is_pack(const char *path)
{
    size_t n = strlen(path);

    return n >= 5 && !strcmp(path + n - 5, ".pack");
}

static bool try_pack(struct search *s, const char *path, bool named, const struct build_id *id,
                     struct elf_file *out)
{
    struct archive ar = {.s = s, .path = path};
    const char *why = NULL;
    struct stat st;
    bool found = false;

    search_looked(s, "", path);
    ar.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (ar.fd < 0 || fstat(ar.fd, &st))
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "not a regular file";
    else if (!named && ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & S_IWOTH))
        why = "others than root and this user can write to it; -d takes it all the same";
    if (why) {
        search_refused(s, "", path, why);
    } else {
        ar.size = (uint64_t)st.st_size;
        found = look(&ar, id, named, out);
    }
    if (ar.fd >= 0)
        close(ar.fd);
    return found;
}

/* The packs in DIR, in order of name; CALLED: as messages have it. */
static bool try_folder(struct search *s, const char *dir, const char *called,
                       const struct build_id *id, struct elf_file *out, const char **name)
{
    glob_t g = {0};
    bool found = false;

    if (!glob(arena_printf(s->a, "%s/*.pack", dir), GLOB_NOESCAPE, NULL, &g))
        for (size_t i = 0; i < g.gl_pathc && !found; i++) {
            *name = arena_strdup(s->a, g.gl_pathv[i]);
            found = try_pack(s, *name, false, id, out);
        }
    if (!g.gl_pathc)
        search_looked(s, called, "/*.pack");
    globfree(&g);
    return found;
}

bool pack_find_named(struct search *s, const struct debug_choice *choice, const struct build_id *id,
                     struct elf_file *out, const char **name)
{
    for (uint32_t i = 0; id->len && i < choice->n_packs; i++) {
        *name = choice->packs[i];
        if (is_pack(*name) && try_pack(s, *name, true, id, out))
            return true;
    }
    return false;
}

bool pack_find_kept(struct search *s, const struct build_id *id, struct elf_file *out,
                    const char **name)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (!id->len)
        return false;
    if (data && *data == '/') {
        data = arena_printf(s->a, "%s/ngstap/packs", data);
        if (try_folder(s, data, data, id, out, name))
            return true;
    } else if (home && *home == '/') {
        data = arena_printf(s->a, "%s" OF_USER, home);
        if (try_folder(s, data, "~" OF_USER, id, out, name))
            return true;
    }
    return try_folder(s, OF_SYSTEM, OF_SYSTEM, id, out, name);
}
