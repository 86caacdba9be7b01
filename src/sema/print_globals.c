/*
 * display: globals that the script fills and never reads are shown at its end, as SystemTap does.
 * Enters: a checked program; leaves: the text of one more end probe, in the script's own language,
 * or nothing. Only the script's globals count, not the library's.
 */
#include "sema/internal.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_shown(const struct sema *s, const struct variable *v)
{
    const struct source *src = source_get(s->cx->sources, span_file(s->cx->sources, v->at));

    return v->written && !v->read && src && !src->tapset;
}

static void keys(FILE *out, const struct variable *v)
{
    for (uint32_t i = 0; i < v->n_keys; i++)
        fprintf(out, "%s__key%u", i ? ", " : "", i);
}

static void format(FILE *out, const struct variable *v)
{
    for (uint32_t i = 0; v->is_array && i < v->n_keys; i++)
        fprintf(out, "%s%s%s", i ? "," : "[", v->key_types[i] == TYPE_STRING ? "\\\"%s\\\"" : "%d",
                i + 1 < v->n_keys ? "" : "]");
    if (v->type == TYPE_STATS)
        fputs(" @count=%d @min=%d @max=%d @sum=%d @avg=%d", out);
    else
        fputs(v->type == TYPE_STRING ? "=\\\"%s\\\"" : "=%d", out);
}

static void element(FILE *out, const struct variable *v)
{
    fputs(v->name, out);
    if (v->is_array) {
        fputc('[', out);
        keys(out, v);
        fputc(']', out);
    }
}

static void show(FILE *out, const struct variable *v)
{
    static const char *const stats[] = {"@count", "@min", "@max", "@sum", "@avg"};

    if (v->is_array && v->type != TYPE_STATS) {
        fputs("foreach (__value = [", out);
        keys(out, v);
        fprintf(out, "] in %s-)\n", v->name);
    } else if (v->is_array) {
        fputs("foreach ([", out);
        keys(out, v);
        fprintf(out, "] in %s-)\n", v->name);
    } else if (v->type == TYPE_STATS) {
        fprintf(out, "if (@count(%s) == 0) printf(\"%s @count=0x0\\n\") else\n", v->name, v->name);
    }
    fprintf(out, "printf(\"%s", v->name);
    format(out, v);
    fputs("\\n\"", out);
    if (v->is_array) {
        fputs(", ", out);
        keys(out, v);
    }
    for (unsigned i = 0; i < (v->type == TYPE_STATS ? 5 : 1); i++) {
        fprintf(out, ", %s", v->type == TYPE_STATS ? stats[i] : v->is_array ? "__value" : v->name);
        if (v->type == TYPE_STATS) {
            fputc('(', out);
            element(out, v);
            fputc(')', out);
        }
    }
    fputs(")\n", out);
}

const char *sema_print_globals(struct sema *s)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    for (struct variable *v = s->prog->globals; v; v = v->next) {
        if (!is_shown(s, v))
            continue;
        v->is_private = false; /* every name is bound by now; the new probe is in another file */
        fputs("probe end {\n", out);
        show(out, v);
        fputs("}\n", out);
    }
    fclose(out);
    const char *copy = len ? arena_strndup(s->arena, text, len) : NULL;

    free(text);
    return copy;
}
