/*
 * component: what stands behind a target expression's name. Enters: an object, which is an address
 * or a value with its C type, and components (->member, [i]); leaves: a tree of address arithmetic
 * and sized reads that is the value at the end, or its address. Semantics are SystemTap's: -> goes
 * through pointers as often as it must, an array's value is its address, a struct as a whole has
 * none. A member that has moved is read where it is now (probe/moved.h). Refused: members that are
 * not there (the near names are given), components of what has none, pretty printing. And the C
 * types of a script's variables.
 */
#include "sema/internal.h"

#include <string.h>

enum { STARS_MAX = 16 };

static const char *type_text(struct sema *s, const struct ctype *t)
{
    return t ? ctype_text(s->arena, t) : "void";
}

/* ---- C types of script values ---- */

static bool same_type(struct sema *s, const struct ctype *a, const struct ctype *b)
{
    return a == b || (ctype_size(a) == ctype_size(b) && !strcmp(type_text(s, a), type_text(s, b)));
}

const struct ctype *sema_ctype(const struct expr *e)
{
    const struct ctype *l, *r;

    switch (e->kind) {
    case EX_NAME:
        return e->var && !e->var->ctype_mixed ? e->var->ctype : NULL;
    case EX_INDEX:
        return e->a->var && !e->a->var->ctype_mixed ? e->a->var->ctype : NULL;
    case EX_ASSIGN:
        return e->op == OP_NONE ? sema_ctype(e->b) : NULL;
    case EX_TERNARY:
        l = sema_ctype(e->b);
        r = sema_ctype(e->c);
        return l && r && l != r ? NULL : l ? l : r;
    case EX_BINARY: /* a pointer and a number of bytes */
        if (e->op != OP_ADD && e->op != OP_SUB)
            return NULL;
        l = sema_ctype(e->a);
        r = sema_ctype(e->b);
        if ((l && r) || (r && e->op == OP_SUB))
            return NULL;
        l = l ? l : r;
        return l && ctype_kind(l) == CT_POINTER ? l : NULL;
    default:
        return e->ctype;
    }
}

bool sema_ctype_assign(struct sema *s, struct variable *var, const struct ctype *t)
{
    if (!t || var->ctype_mixed)
        return false;
    if (!var->ctype) {
        var->ctype = t;
        s->changed = true;
    } else if (!same_type(s, var->ctype, t)) {
        var->ctype_mixed = true;
        s->changed = true;
    }
    return true;
}

/* ---- components ---- */

static struct expr *address_of_value(struct sema_object *o)
{
    return o->is_value ? NULL : o->tree;
}

static struct expr *load(struct sema *s, const struct sema_object *o, struct span at, uint8_t size,
                         bool is_signed)
{
    struct expr *e = sema_tree_load(s->arena, at, o->tree, size, is_signed);

    e->space = o->space;
    return e;
}

/* What a pointer object holds. */
static struct expr *pointer_value(struct sema *s, const struct sema_object *o, struct span at)
{
    return o->is_value ? o->tree : load(s, o, at, ctype_size(o->type) == 4 ? 4 : 8, false);
}

static struct expr *component_index(struct sema *s, const struct component *c)
{
    return c->kind == COMP_INDEX ? sema_tree_number(s->arena, c->at, c->number) : c->index;
}

bool sema_element(struct sema *s, struct sema_object *o, struct expr *base,
                  const struct ctype *type, const struct component *c)
{
    uint64_t size = type ? ctype_size(type) : 0;
    struct expr *offset;

    if (!size)
        return diag_error(s->diag, c->at, "no-type",
                          "the size of %s is not known, so that it cannot be indexed",
                          type_text(s, type));
    sema_depend(s, type);
    offset = sema_tree_binary(s->arena, OP_MUL, component_index(s, c),
                              sema_tree_number(s->arena, c->at, (int64_t)size));
    *o = (struct sema_object){
        .tree = sema_tree_binary(s->arena, OP_ADD, base, offset), .type = type, .space = o->space};
    return true;
}

struct names {
    struct near near;
    const char *first;
};

static void member_name(const struct cmember *m, void *arg)
{
    struct names *n = arg;

    if (!m->name)
        return;
    if (!n->first)
        n->first = m->name;
    if (n->near.word)
        near_try(&n->near, m->name);
}

static bool no_member(struct sema *s, const struct sema_object *o, const struct component *c)
{
    struct names names = {0};

    near_init(&names.near, c->name);
    ctype_members(o->type, member_name, &names);
    if (!names.first) {
        diag_error(s->diag, c->at, "no-member",
                   "%s is only declared here, its members are not known", type_text(s, o->type));
        diag_hint(s->diag, "name the module that defines it: @cast(value, \"%s\", \"PATH\")",
                  type_text(s, o->type));
        return false;
    }
    const struct moved_fact *fact =
        moved_find(s->moved, MOVED_MEMBER, type_text(s, o->type), c->name, NULL);

    diag_error(s->diag, c->at, "no-member", "%s has no member '%s'", type_text(s, o->type),
               c->name);
    if (fact && !fact->now)
        diag_hint(s->diag, "it is gone since %s", fact->since);
    else if (near_best(&names.near))
        diag_hint(s->diag, "did you mean '%s'?", near_best(&names.near));
    return false;
}

static void step_into(struct sema *s, struct sema_object *o, const struct cmember *m)
{
    sema_depend(s, o->type);
    *o = (struct sema_object){
        .tree = sema_tree_add(s->arena, o->tree, (int64_t)m->offset),
        .type = m->type,
        .bit_off = m->bit_off,
        .bit_size = m->bit_size,
        .space = o->space,
    };
}

/* What is read at the end of a member's way, by the arithmetic of FACT. */
static bool reckon(struct sema *s, struct sema_object *o, const struct moved_fact *fact,
                   struct span at)
{
    uint64_t size = o->type ? ctype_size(o->type) : 0;
    enum op op = fact->op == '*' ? OP_MUL : fact->op == '/' ? OP_DIV : OP_MOD;

    if (!fact->op)
        return true;
    if (o->bit_size || (size != 1 && size != 2 && size != 4 && size != 8))
        return false;
    o->tree = sema_tree_binary(s->arena, op, load(s, o, at, (uint8_t)size, ctype_signed(o->type)),
                               sema_tree_number(s->arena, at, fact->factor));
    o->is_value = true;
    return true;
}

/* A member that is elsewhere today, or in other builds: O becomes what FACT says. */
static bool follow(struct sema *s, struct sema_object *o, const struct moved_fact *fact,
                   struct span at)
{
    struct sema_object to = *o;
    const char *dot;

    for (const char *path = fact->now; path && *path; path = *dot ? dot + 1 : dot) {
        struct cmember m;

        dot = path + strcspn(path, ".");
        if (!ctype_member(to.type, arena_strndup(s->arena, path, (size_t)(dot - path)), &m))
            return false;
        step_into(s, &to, &m);
    }
    if (!fact->now || !reckon(s, &to, fact, at))
        return false;
    *o = to;
    return true;
}

/* HERE: facts that say that what has the member is itself the value. @defined() does not ask: it
 * tells builds apart. */
static bool moved_member(struct sema *s, struct sema_object *o, const struct ctype *type,
                         const struct component *c, bool here)
{
    const char *of = type && !s->in_defined ? type_text(s, type) : NULL;
    const struct moved_fact *fact = NULL;

    while (of && (fact = moved_find(s->moved, MOVED_MEMBER, of, c->name, fact)))
        if (here == (fact->now && !*fact->now) && follow(s, o, fact, c->at))
            return true;
    return false;
}

static bool member(struct sema *s, struct sema_object *o, const struct component *c)
{
    struct cmember m;

    if (o->is_value)
        return diag_error(s->diag, c->at, "no-location",
                          "%s lies in registers, its members cannot be read yet",
                          type_text(s, o->type));
    if (ctype_member(o->type, c->name, &m))
        step_into(s, o, &m);
    else if (!moved_member(s, o, o->type, c, false))
        return no_member(s, o, c);
    return true;
}

static bool is_structure(const struct ctype *t)
{
    return ctype_kind(t) == CT_STRUCT || ctype_kind(t) == CT_UNION;
}

static bool invalid_access(struct sema *s, const struct sema_object *o, const struct component *c)
{
    const char *what = c->kind == COMP_MEMBER ? arena_printf(s->arena, "->%s", c->name) : "[...]";

    if (!o->type && o->is_value) {
        diag_error(s->diag, c->at, "type", "'%s' cannot be applied to a number without a C type",
                   what);
        diag_hint(s->diag, "say it: @cast(value, \"TYPE\", \"MODULE\")->member");
        return false;
    }
    return diag_error(s->diag, c->at, "type", "'%s' cannot be applied to %s", what,
                      type_text(s, o->type));
}

/* One component; a pointer takes as many turns as it has stars, which debug information can say are
 * without end. */
static bool apply(struct sema *s, struct sema_object *o, const struct component *c)
{
    for (int turn = 0; turn < STARS_MAX; turn++) {
        switch (o->type ? ctype_kind(o->type) : CT_VOID) {
        case CT_POINTER: {
            const struct ctype *to = ctype_target(o->type);

            if (!to)
                return invalid_access(s, o, c);
            if (c->kind == COMP_MEMBER && !is_structure(to) && moved_member(s, o, to, c, true))
                return true;
            struct expr *p = pointer_value(s, o, c->at);

            if (c->kind != COMP_MEMBER)
                return sema_element(s, o, p, to, c);
            *o = (struct sema_object){.tree = p, .type = to, .space = o->space};
            break;
        }
        case CT_ARRAY:
            if (c->kind == COMP_MEMBER)
                return invalid_access(s, o, c);
            return sema_element(s, o, o->tree, ctype_target(o->type), c);
        case CT_STRUCT:
        case CT_UNION:
            return c->kind == COMP_MEMBER ? member(s, o, c) : invalid_access(s, o, c);
        default:
            return invalid_access(s, o, c);
        }
    }
    return diag_error(s->diag, c->at, "type", "more than %d pointers lead to this", STARS_MAX);
}

/* ---- the value at the end ---- */

static bool take_address(struct sema *s, struct expr *e, struct sema_object *o)
{
    if (o->bit_size)
        return diag_error(s->diag, e->at, "type", "a bit field has no address");
    if (!address_of_value(o))
        return diag_error(s->diag, e->at, "no-location",
                          "this is in a register here and has no address");
    e->resolved = o->tree;
    e->ctype = o->type ? ctype_pointer_to(s->di, o->type) : NULL;
    return true;
}

/* The smallest of 1 2 4 8 bytes, from a whole byte on, that hold a bit field. */
static bool bit_field(struct sema *s, struct expr *e, struct sema_object *o)
{
    uint32_t from = o->bit_off % 8, size = 1;

    o->tree = sema_tree_add(s->arena, o->tree, o->bit_off / 8);
    while (size < 8 && size * 8 < from + o->bit_size)
        size *= 2;
    if (size * 8 < from + o->bit_size)
        return diag_error(s->diag, e->at, "not-yet",
                          "this bit field spans nine bytes, which is not read yet");
    e->resolved = load(s, o, e->at, (uint8_t)size, ctype_signed(o->type));
    e->resolved->bit_off = (uint8_t)from;
    e->resolved->bit_size = (uint8_t)o->bit_size;
    return true;
}

static bool whole_struct(struct sema *s, struct expr *e, const struct sema_object *o)
{
    struct names names = {0};

    diag_error(s->diag, e->at, "type", "this is %s as a whole, which has no value",
               type_text(s, o->type));
    ctype_members(o->type, member_name, &names);
    if (names.first)
        diag_hint(s->diag, "take a member of it, such as ->%s, or its address with &", names.first);
    else
        diag_hint(s->diag, "take its address with &");
    return false;
}

static bool fetch(struct sema *s, struct expr *e, struct sema_object *o)
{
    enum ctype_kind kind = o->type ? ctype_kind(o->type) : CT_VOID;
    uint64_t size = o->type ? ctype_size(o->type) : 0;

    e->ctype = o->type;
    if (o->is_value && !o->type) { /* a number of the kernel's */
        e->resolved = o->tree;
        return true;
    }
    switch (kind) {
    case CT_INT:
    case CT_BOOL:
    case CT_CHAR:
    case CT_ENUM:
    case CT_FLOAT: /* its bits */
    case CT_POINTER:
        if (o->bit_size)
            return bit_field(s, e, o);
        if (size != 1 && size != 2 && size != 4 && size != 8)
            return diag_error(s->diag, e->at, "type", "%s has %llu bytes and is no script value",
                              type_text(s, o->type), (unsigned long long)size);
        e->resolved = o->is_value ? o->tree
                                  : load(s, o, e->at, (uint8_t)size,
                                         kind != CT_POINTER && ctype_signed(o->type));
        return true;
    case CT_ARRAY:
        e->ctype = ctype_target(o->type) ? ctype_pointer_to(s->di, ctype_target(o->type)) : NULL;
        e->resolved = o->tree;
        return true;
    case CT_FUNC:
        e->resolved = o->tree;
        return true;
    case CT_STRUCT:
    case CT_UNION:
        return whole_struct(s, e, o);
    default:
        return diag_error(s->diag, e->at, "type", "%s has no value", type_text(s, o->type));
    }
}

bool sema_components(struct sema *s, struct expr *e, struct sema_object *o,
                     const struct component *c)
{
    for (; c; c = c->next) {
        if (c->kind == COMP_PRETTY || c->kind == COMP_PRETTY2)
            return diag_error(s->diag, c->at, "not-yet",
                              "pretty printing of structures does not run yet");
        if (!apply(s, o, c))
            return false;
    }
    return e->address_of ? take_address(s, e, o) : fetch(s, e, o);
}
