/*
 * layout_list: what a file of layouts says of itself. Enters: its path; leaves: its list
 * (pack_layout.c): which sources it serves, and where the members lie that layouts are tried by, so
 * that trying one takes neither DWARF nor an index of it. The lists of a whole folder stand in one
 * file besides, since opening sixty takes longer than trying them. Places of types that are known
 * otherwise, in the same words. Refused: files without a list.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "debug/layout.h"
#include "debug/source.h"

enum { LIST_MAX = 65536, LISTS_MAX = 4 << 20, WORDS_MAX = 256, MEMBER_MAX = 64 };

static const char *list_in(struct arena *a, const struct elf_file *f)
{
    Elf_Scn *scn = NULL;
    size_t names;

    if (elf_getshdrstrndx(f->elf, &names))
        return NULL;
    while ((scn = elf_nextscn(f->elf, scn))) {
        GElf_Shdr sh;
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(f->elf, names, sh.sh_name) : NULL;
        Elf_Data *data = name && !strcmp(name, LAYOUT_SECTION) && sh.sh_size <= LIST_MAX &&
                                 sh.sh_type == SHT_PROGBITS
                             ? elf_rawdata(scn, NULL)
                             : NULL;

        if (data && data->d_buf && !memchr(data->d_buf, 0, data->d_size))
            return arena_strndup(a, data->d_buf, data->d_size);
    }
    return NULL;
}

const char *layout_list(struct arena *a, const char *path)
{
    const char *list = NULL;
    struct elf_file f;

    if (elf_file_open(&f, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK))) {
        list = list_in(a, &f);
        elf_file_close(&f);
    }
    return list;
}

/* The next line "layout NAME" from AT on, after which its list begins; NULL: there is none. */
static char *next_head(char *at)
{
    for (; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (!strncmp(at, LAYOUT_HEAD, strlen(LAYOUT_HEAD)))
            return at;
    return NULL;
}

void layout_lists(struct arena *a, const char *dir, layout_list_fn *fn, void *arg)
{
    char *text = file_read(arena_printf(a, "%s/" LAYOUT_LISTS, dir), LISTS_MAX, NULL);
    char *lists = arena_strdup(a, text ? text : ""), *next;

    free(text);
    for (char *head = next_head(lists); head; head = next) {
        const char *name = head + strlen(LAYOUT_HEAD);
        char *list = head + strcspn(head, "\n");

        if (*list)
            *list++ = '\0';
        next = next_head(list);
        if (next)
            next[-1] = '\0'; /* instead of the line's end before it */
        if (*name && !strchr(name, '/'))
            fn(arena_printf(a, "%s/%s.debug", dir, name), list, arg);
    }
}

bool layout_is_file(const char *path)
{
    size_t n = strlen(path);

    return n > 6 && !strcmp(path + n - 6, ".debug");
}

bool layout_has_line(const char *list, const char *line)
{
    const size_t n = strlen(line);

    for (const char *at = strstr(list, line); at; at = strstr(at + 1, line))
        if ((at == list || at[-1] == '\n') && (!at[n] || at[n] == '\n'))
            return true;
    return false;
}

bool layout_serves(const char *list, uint64_t from, uint64_t to)
{
    for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        unsigned long long first, end = UINT64_MAX;

        if (sscanf(line, "serves %*s %llu %llu", &first, &end) >= 1 && first <= to && end > from)
            return true;
    }
    return false;
}

bool layout_place(const char *list, const char *type, const char *path, struct layout_place *out)
{
    char words[WORDS_MAX];
    int n = snprintf(words, sizeof(words), "place %s %s ", type, path);
    unsigned long long offset, size;

    *out = (struct layout_place){0};
    if (n < 0 || (size_t)n >= sizeof(words))
        return false;
    for (const char *at = strstr(list, words); at; at = strstr(at + 1, words)) {
        if (at != list && at[-1] != '\n')
            continue;
        int found =
            sscanf(at + n, "%llu %llu %u %u", &offset, &size, &out->bit_off, &out->bit_size);

        out->offset = offset;
        out->size = size;
        return found == 2 || found == 4;
    }
    return false;
}

bool layout_place_of(const struct ctype *t, const char *path, struct layout_place *out)
{
    struct cmember m;
    char name[MEMBER_MAX];

    *out = (struct layout_place){.size = t ? ctype_size(t) : 0};
    for (path += !strcmp(path, "-"); t && *path; path += *path == '.') {
        size_t n = strcspn(path, ".");

        if (n >= sizeof(name) || out->bit_size)
            return false;
        memcpy(name, path, n);
        name[n] = '\0';
        if (!ctype_member(t, name, &m))
            return false;
        t = m.type;
        *out = (struct layout_place){out->offset + m.offset, ctype_size(t), m.bit_off, m.bit_size};
        path += n;
    }
    return t != NULL;
}
