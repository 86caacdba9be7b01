/*
 * layout_rows: which files of layouts serve a build of nginx. Enters: "rows", a file of ours that
 * scripts/make-layouts-nginx writes, and nginx's own file; leaves: the rows, and what that file
 * says of itself: version, options, whose nginx it is. A row is a line of words:
 *
 *     PART FLAVOUR FIRST LAST OPTIONS FILE
 *
 * FILE.debug lays PART out as FLAVOUR's builds from version FIRST to LAST with those OPTIONS do:
 * the ones and zeros of NGX_MODULE_SIGNATURE, a dot where PART does not depend on one. FLAVOUR is
 * whose nginx it is; "-": anybody's; "backport": nginx's, with a change of a later version.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "debug/layout_nginx.h"

enum {
    ROWS_MAX = 1 << 20,  /* bytes of the file */
    VERSION_OFFSET = 40, /* of ngx_module_t.version, by NGX_MODULE_V1, in all of them */
    FILE_MAX = 64 << 20, /* bytes of nginx's data that are searched */
    CHUNK = 1 << 16,
};

static const char *const parts[] = {"core", "http", "upstream", "http_lua", "stream_lua"};

static const struct {
    const char *name;
    enum nginx_flavour is;
} flavours[] = {{"-", NGINX_ANY},         {"nginx", NGINX_OWN},
                {"backport", NGINX_OWN},  {"openresty", NGINX_OPENRESTY},
                {"apisix", NGINX_APISIX}, {"kong", NGINX_KONG}};

/* "1.22.1" as nginx_version; 0: none. */
static uint32_t layout_version(const char *text)
{
    unsigned long n[3] = {0};

    for (size_t i = 0; i < 3 && isdigit((unsigned char)*text); i++) {
        char *end;

        n[i] = strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : end;
    }
    return n[0] < 1000 && n[1] < 1000 && n[2] < 1000
               ? (uint32_t)(n[0] * 1000000 + n[1] * 1000 + n[2])
               : 0;
}

static bool parse(struct arena *a, char *line, struct layout_row *out)
{
    char *word[6], *save = NULL;
    size_t n = 0;

    for (char *w = strtok_r(line, " ", &save); w && n < 6; w = strtok_r(NULL, " ", &save))
        word[n++] = w;
    if (n < 6 || *word[0] == '#')
        return false;
    *out = (struct layout_row){.part = NGINX_PARTS,
                               .first = layout_version(word[2]),
                               .last = layout_version(word[3]),
                               .options = arena_strdup(a, word[4]),
                               .file = arena_strdup(a, word[5])};
    for (size_t i = 0; i < NGINX_PARTS; i++)
        if (!strcmp(word[0], parts[i]))
            out->part = (enum nginx_part)i;
    for (size_t i = 0; i < sizeof(flavours) / sizeof(*flavours); i++)
        if (!strcmp(word[1], flavours[i].name))
            out->flavour = flavours[i].is;
    return out->part != NGINX_PARTS && strlen(out->options) == NGINX_OPTIONS;
}

struct layout_rows layout_rows_read(struct arena *a, const char *path)
{
    struct layout_rows rows = {0};
    char *text = file_read(path, ROWS_MAX, NULL), *save = NULL;

    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        struct layout_row row;

        if (!parse(a, line, &row))
            continue;
        rows.v = arena_grow(a, rows.v, rows.n, sizeof(*rows.v));
        rows.v[rows.n++] = row;
    }
    free(text);
    return rows;
}

bool layout_row_serves(const struct layout_row *r, const struct nginx_build *b)
{
    if (r->part <= NGINX_UPSTREAM && (b->version < r->first || b->version > r->last))
        return false;
    for (size_t i = 0; i < NGINX_OPTIONS; i++)
        if (r->options[i] != '.' && r->options[i] != b->options[i])
            return false;
    return true;
}

uint32_t layout_row_near(const struct layout_row *r, const struct nginx_build *b)
{
    return r->flavour == b->flavour ? 2 : r->flavour == NGINX_ANY;
}

/* ---- what a file says of itself ---- */

/* "8,4,8," (sizes of a pointer, of atomics and of time_t) and the options. */
static void find_options(const char *p, size_t n, struct nginx_build *out)
{
    static const char sizes[] = "8,4,8,";
    const size_t head = sizeof(sizes) - 1;

    for (const char *at = p;
         !out->options[0] && (at = memmem(at, n - (size_t)(at - p), sizes, head)); at++) {
        size_t room = n - (size_t)(at - p);

        if (room > head + NGINX_OPTIONS && strspn(at + head, "01") == NGINX_OPTIONS &&
            !at[head + NGINX_OPTIONS])
            memcpy(out->options, at + head, NGINX_OPTIONS);
    }
}

static void find_openresty(const char *p, size_t n, struct nginx_build *out)
{
    static const char name[] = "openresty/";
    const char *at = p;

    for (; out->flavour == NGINX_OWN &&
           (at = memmem(at, n - (size_t)(at - p), name, sizeof(name) - 1));
         at++)
        if (isdigit((unsigned char)at[sizeof(name) - 1]))
            out->flavour = NGINX_OPENRESTY;
}

/* Bytes that have neither code nor symbols, a piece at a time; pieces overlap. */
static void search(struct dbg *m, struct nginx_build *out)
{
    enum { OVERLAP = 64 };
    char buf[CHUNK + OVERLAP + 1];
    GElf_Phdr ph;
    size_t n;

    if (elf_getphdrnum(m->file.elf, &n))
        return;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS && bounds_ok(); i++) {
        if (!gelf_getphdr(m->file.elf, (int)i, &ph) || ph.p_type != PT_LOAD || ph.p_flags & PF_X)
            continue;
        for (uint64_t at = 0; at < ph.p_filesz && at < FILE_MAX && bounds_ok(); at += CHUNK) {
            size_t got = code_read(m, ph.p_vaddr + at, (unsigned char *)buf, CHUNK + OVERLAP);

            buf[got] = '\0';
            find_options(buf, got, out);
            find_openresty(buf, got, out);
        }
    }
}

bool nginx_build_of(struct dbg *m, struct nginx_build *out)
{
    const struct elf_symbols *s = dbg_symbols(m);
    uint64_t version = 0;

    *out = (struct nginx_build){.flavour = NGINX_OWN};
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->v[i].is_func)
            continue;
        if (!strcmp(s->v[i].name, "ngx_core_module"))
            code_read(m, s->v[i].vaddr + VERSION_OFFSET, (unsigned char *)&version,
                      sizeof(version));
        /* Modules that they cannot do without. */
        if (!strcmp(s->v[i].name, "ngx_http_apisix_module"))
            out->flavour = NGINX_APISIX;
        if (!strcmp(s->v[i].name, "ngx_http_lua_kong_module"))
            out->flavour = NGINX_KONG;
    }
    if (version < 1000000 || version > 9999999) /* nginx_version, 1022001 */
        return false;
    out->version = (uint32_t)version;
    search(m, out);
    return out->options[0];
}

const char *nginx_build_text(struct arena *a, const struct nginx_build *b)
{
    static const char *const whose[] = {[NGINX_OWN] = "nginx",
                                        [NGINX_OPENRESTY] = "OpenResty's nginx",
                                        [NGINX_APISIX] = "APISIX's nginx",
                                        [NGINX_KONG] = "Kong's nginx"};

    return arena_printf(a, "%s %u.%u.%u, options %s", whose[b->flavour], b->version / 1000000,
                        b->version / 1000 % 1000, b->version % 1000, b->options);
}
