/*
 * set_globals: globals that the command line sets (-G), as SystemTap sets a module's. Enters: names
 * and values, once the uses have given the globals their types; leaves: their initial values, and
 * the type that a value has where no use decided one. Refused: names that no global has, arrays and
 * aggregates, text for a number.
 */
#include "sema/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct span nowhere;

static bool is_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 0);
    return end != text && !*end && !errno;
}

static struct variable *find(struct sema *s, const char *name)
{
    struct near near;

    for (struct variable *v = s->prog->globals; v; v = v->next)
        if (!strcmp(v->name, name))
            return v;
    diag_error(s->diag, nowhere, "options", "-G %s: the script has no global of that name", name);
    near_init(&near, name);
    for (struct variable *v = s->prog->globals; v; v = v->next)
        near_try(&near, v->name);
    if (near_best(&near))
        diag_hint(s->diag, "did you mean %s?", near_best(&near));
    return NULL;
}

static void set(struct sema *s, struct variable *v, const char *value)
{
    int64_t number = 0;
    bool numeric = is_number(value, &number);

    if (v->is_array || v->type == TYPE_STATS) {
        diag_error(s->diag, nowhere, "options", "-G %s: it is %s, not a number or a string",
                   v->name, v->is_array ? "an array" : "an aggregate");
        return;
    }
    if (v->type == TYPE_UNKNOWN)
        v->type = numeric ? TYPE_LONG : TYPE_STRING;
    if (v->type == TYPE_LONG && !numeric) {
        diag_error(s->diag, nowhere, "options", "-G %s: it is a number here, and '%s' is none",
                   v->name, value);
        return;
    }
    if (v->type == TYPE_STRING) {
        v->init = expr_string(s->arena, v->at, value, (uint32_t)strlen(value));
    } else {
        v->init = expr_new(s->arena, EX_NUMBER, v->at);
        v->init->number = number;
    }
    v->init->type = v->type;
}

void sema_set_globals(struct sema *s)
{
    for (uint32_t i = 0; i < s->opts->n_globals; i++) {
        struct variable *v = find(s, s->opts->globals[i].name);

        if (v)
            set(s, v, s->opts->globals[i].value);
    }
}
