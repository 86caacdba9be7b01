/*
 * match: regular expressions. Enters: "text =~ pattern", and calls that ask for what was matched;
 * leaves: the pattern's table, and two locals of the body, which the first sets and the others
 * read: the text of the last match and its pattern ("" when it failed). Refuses patterns that
 * make no table, and questions where no match can have been made.
 *
 * The locals are of a handler or a function, each its own: SystemTap's are of a handler and all
 * that it calls.
 */
#include "sema/internal.h"

#include <string.h>

#include "regex/regex.h"

/* The byte of the literal that the pattern's byte AT is, where none is escaped. */
static struct span at_byte(const struct expr *literal, uint32_t at)
{
    struct span s = literal->at;

    if (s.len != literal->len + 2 || s.expn || at >= literal->len)
        return s;
    s.off += 1 + at;
    s.len = 1;
    return s;
}

/* Tables are made once for a pattern, however many handlers it stands in. */
static struct sema_pattern *compile(struct sema *s, const struct expr *literal)
{
    for (uint32_t i = 0; i < s->n_patterns; i++)
        if (s->patterns[i].len == literal->len &&
            !memcmp(s->patterns[i].text, literal->text, literal->len))
            return &s->patterns[i];
    struct sema_pattern p = {.text = literal->text, .len = literal->len};

    regex_compile(s->arena, literal->text, literal->len, &p.re);
    s->patterns = arena_grow(s->arena, s->patterns, s->n_patterns, sizeof(p));
    s->patterns[s->n_patterns] = p;
    return &s->patterns[s->n_patterns++];
}

static struct variable *new_local(struct sema *s, const char *name, struct span at)
{
    struct variable *v = ARENA_NEW(s->arena, struct variable);

    *v = (struct variable){.name = name,
                           .at = at,
                           .scope = VAR_LOCAL,
                           .type = TYPE_STRING,
                           .typed = true,
                           .arity_known = true,
                           .arity_at = at,
                           .type_at = at};
    return v;
}

static void need_locals(struct sema *s, struct span at)
{
    if (s->matched.text)
        return;
    s->matched.text = new_local(s, "=~ text", at);
    s->matched.pattern = new_local(s, "=~ pattern", at);
}

static struct expr *name_of(struct sema *s, struct variable *v, struct span at)
{
    struct expr *e = expr_new(s->arena, EX_NAME, at);

    e->text = v->name;
    e->var = v;
    e->type = TYPE_STRING;
    return e;
}

bool sema_match(struct sema *s, struct expr *e)
{
    struct sema_pattern *p = compile(s, e->b);

    if (p->re.error) {
        diag_error(s->diag, at_byte(e->b, p->re.error_at), "regex", "not a regular expression: %s",
                   p->re.error);
        if (p->re.hint)
            diag_hint(s->diag, "%s", p->re.hint);
        return false;
    }
    e->fmt = p->re.table;
    e->fmt_len = p->re.size;
    need_locals(s, e->at);
    s->matched.text->written = s->matched.pattern->written = true;
    e->args = ARENA_ARRAY(s->arena, struct expr *, 2);
    e->args[0] = name_of(s, s->matched.text, e->at);
    e->args[1] = name_of(s, s->matched.pattern, e->at);
    e->n_args = 2;
    return true;
}

void sema_matched(struct sema *s, struct expr *call)
{
    struct variable **tail = s->fn ? &s->fn->locals : &s->inst->locals;

    need_locals(s, call->at);
    call->b = name_of(s, s->matched.text, call->at);
    call->c = name_of(s, s->matched.pattern, call->at);
    if (s->matched.asked)
        return;
    s->matched.asked = call;
    s->matched.text->read = s->matched.pattern->read = true;
    while (*tail)
        tail = &(*tail)->next;
    *tail = s->matched.text;
    s->matched.text->next = s->matched.pattern;
}

bool sema_match_end(struct sema *s)
{
    struct expr *call = s->matched.asked;

    if (!call || s->matched.text->written)
        return true;
    diag_error(s->diag, call->op_at, "regex", "%s() tells of a match, and no =~ stands here",
               call->text);
    diag_hint(s->diag, "it is asked in the handler, or the function, that the =~ stands in");
    return false;
}
