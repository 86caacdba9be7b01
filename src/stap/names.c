/*
 * names: what variables and functions are called in the printed script. Enters: what sema bound;
 * leaves: names that mean the same in one file together with SystemTap's tapset. A script's own
 * names stay where they can: its embedded C may use them. No name starts with an underscore:
 * SystemTap 4.8 loses some globals that do.
 */
#include "stap/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

bool stap_in_library(struct compile *cx, struct span at)
{
    const struct source *src = source_get(cx->sources, span_file(cx->sources, at));

    return src && src->tapset;
}

static bool is_used(const struct variable *v)
{
    return v->read || v->written;
}

const char *stap_var_name(struct compile *cx, const struct program *prog, const struct variable *v)
{
    bool taken = false;

    if (v->scope == VAR_GLOBAL && stap_in_library(cx, v->at))
        return arena_printf(cx->arena, "ngs_%u_%s", span_file(cx->sources, v->at), v->name);
    for (const struct variable *g = prog->globals; g; g = g->next)
        taken |= g != v && is_used(g) && !strcmp(g->name, v->name) && !stap_in_library(cx, g->at);
    if (!taken)
        return v->name;
    return v->scope == VAR_GLOBAL
               ? arena_printf(cx->arena, "ngs_%u_%s", span_file(cx->sources, v->at), v->name)
               : arena_printf(cx->arena, "%s__local", v->name);
}

const char *stap_func_name(struct compile *cx, const struct program *prog, const struct function *f)
{
    bool taken = stap_in_library(cx, f->at);

    for (const struct function *g = prog->funcs; g && !taken; g = g->next)
        taken = g->reached && span_file(cx->sources, g->at) != span_file(cx->sources, f->at) &&
                !strcmp(g->name, f->name) && g->n_params == f->n_params &&
                !stap_in_library(cx, g->at);
    return taken ? arena_printf(cx->arena, "ngs_%u_%s", span_file(cx->sources, f->at), f->name)
                 : f->name;
}

enum { THEIRS = -1 };

static const struct stap_call calls[] = {
    {"user_uint", "user_uint32", THEIRS, 1},
    {"user_char_error", NULL, NEED_LOAD + 4, 1},
    {"user_short_error", NULL, NEED_LOAD + 5, 1},
    {"user_ushort_error", NULL, NEED_LOAD + 1, 1},
    {"user_int_error", NULL, NEED_LOAD + 6, 1},
    {"user_uint_error", NULL, NEED_LOAD + 2, 1},
    {"user_long_error", NULL, NEED_LOAD + 3, 1},
    {"user_ulong_error", NULL, NEED_LOAD + 3, 1},
    {"user_int8_error", NULL, NEED_LOAD + 4, 1},
    {"user_uint8_error", NULL, NEED_LOAD, 1},
    {"user_int16_error", NULL, NEED_LOAD + 5, 1},
    {"user_uint16_error", NULL, NEED_LOAD + 1, 1},
    {"user_int32_error", NULL, NEED_LOAD + 6, 1},
    {"user_uint32_error", NULL, NEED_LOAD + 2, 1},
    {"user_int64_error", NULL, NEED_LOAD + 3, 1},
    {"user_uint64_error", NULL, NEED_LOAD + 3, 1},
    {"kernel_uint8", NULL, NEED_LOAD + 8, 1},
    {"kernel_uint16", NULL, NEED_LOAD + 9, 1},
    {"kernel_uint32", NULL, NEED_LOAD + 10, 1},
    {"kernel_uint64", NULL, NEED_LOAD + 11, 1},
    {"kernel_string_n", "kernel_string_n", THEIRS, 2},
    {"strpos", "strpos", THEIRS, 2},
    {"__env_var", "env_var", THEIRS, 1},
    {"__pid2execname", "pid2execname", THEIRS, 1},
    {"__tz_gmtoff", "tz_gmtoff", THEIRS, 0},
    {"__tz_name", "tz_name", THEIRS, 0},
    {"__stp_pid", "stp_pid", THEIRS, 0},
    {"__pidns", NULL, NEED_PIDNS, 0},
    {"__span", NULL, NEED_SPAN, 4},
    {"__plain", NULL, NEED_PLAIN, 2},
    {"toupper", NULL, NEED_TOUPPER, 1},
    {"tolower", NULL, NEED_TOLOWER, 1},
};

const struct stap_call *stap_call_find(const char *name)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (!strcmp(calls[i].name, name))
            return &calls[i];
    return NULL;
}

bool stap_name_given(const char *s, size_t n, uint32_t needs)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (calls[i].theirs && strlen(calls[i].theirs) == n && !memcmp(calls[i].theirs, s, n))
            return true;
    for (unsigned need = 0; need <= NEED_TARGET; need++) {
        char *name = NULL;
        size_t len = 0;
        FILE *f = needs & 1u << need ? open_memstream(&name, &len) : NULL;

        if (!f)
            continue;
        stap_put_name(f, need);
        fclose(f);
        bool same = len == n && !memcmp(name, s, n);

        free(name);
        if (same)
            return true;
    }
    return false;
}
