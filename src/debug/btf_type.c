/*
 * btf_type: C types from BTF. Enters: names and ids; leaves: struct ctype, whose questions are
 * answered from BTF's record when asked. Chains and nesting are bounded as DWARF's are, though
 * libbpf has checked that ids and names are in range. What a bound cuts off reads as void or as "no
 * such member".
 */
#include <string.h>

#include "debug/btf_priv.h"

/* Past typedefs and qualifiers; 0: void, or a chain too long. */
static uint32_t strip_id(const struct dbg *m, uint32_t id)
{
    for (int i = 0; id && i < CHAIN_MAX; i++) {
        const struct btf_type *t = btf__type_by_id(btf_of(m), id);

        if (!t)
            return 0;
        if (!btf_is_mod(t) && !btf_is_typedef(t) && btf_kind(t) != BTF_KIND_TYPE_TAG)
            return id;
        id = t->type;
    }
    return 0;
}

uint32_t btf_complete(const struct dbg *m, uint32_t id)
{
    const struct btf_type *t;
    int found;

    id = strip_id(m, id);
    t = id ? btf__type_by_id(btf_of(m), id) : NULL;
    if (!t || !btf_is_fwd(t) || !btf_name(m, t->name_off))
        return id;
    found = btf__find_by_name_kind(btf_of(m), btf_name(m, t->name_off),
                                   btf_kflag(t) ? BTF_KIND_UNION : BTF_KIND_STRUCT);
    return found > 0 ? (uint32_t)found : id;
}

/* What T is, definitions being found; NULL: void. */
static const struct btf_type *core(const struct ctype *t)
{
    uint32_t id = btf_complete(t->m, t->id);

    return id ? btf__type_by_id(btf_of(t->m), id) : NULL;
}

static enum ctype_kind int_kind(const struct dbg *m, const struct btf_type *t)
{
    const char *name = btf_name(m, t->name_off);

    if (btf_int_encoding(t) & BTF_INT_BOOL)
        return CT_BOOL;
    if (name && t->size == 1 && strstr(name, "char"))
        return CT_CHAR;
    return CT_INT;
}

enum ctype_kind btf_ctype_kind(struct ctype *t)
{
    const struct btf_type *c = core(t);

    switch (c ? btf_kind(c) : BTF_KIND_UNKN) {
    case BTF_KIND_UNKN:
        return CT_VOID;
    case BTF_KIND_INT:
        return int_kind(t->m, c);
    case BTF_KIND_PTR:
        return CT_POINTER;
    case BTF_KIND_ARRAY:
        return CT_ARRAY;
    case BTF_KIND_STRUCT:
        return CT_STRUCT;
    case BTF_KIND_UNION:
        return CT_UNION;
    case BTF_KIND_FWD:
        return btf_kflag(c) ? CT_UNION : CT_STRUCT;
    case BTF_KIND_ENUM:
    case KIND_ENUM64:
        return CT_ENUM;
    case BTF_KIND_FUNC_PROTO:
        return CT_FUNC;
    case BTF_KIND_FLOAT:
        return CT_FLOAT;
    default:
        return CT_OTHER;
    }
}

uint64_t btf_ctype_size(const struct ctype *t)
{
    const struct btf_type *c = core(t);
    uint64_t count = 1;

    for (int i = 0; c && btf_is_array(c); i++) {
        uint32_t id = strip_id(t->m, btf_array(c)->type);

        if (i == NESTING_MAX || __builtin_mul_overflow(count, btf_array(c)->nelems, &count))
            return 0;
        c = id ? btf__type_by_id(btf_of(t->m), id) : NULL;
    }
    if (!c)
        return 0;
    switch (btf_kind(c)) {
    case BTF_KIND_PTR:
        return count * sizeof(void *);
    case BTF_KIND_INT:
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
    case BTF_KIND_ENUM:
    case KIND_ENUM64:
    case BTF_KIND_FLOAT:
        return __builtin_mul_overflow(count, c->size, &count) ? 0 : count;
    default:
        return 0;
    }
}

bool btf_ctype_signed(const struct ctype *t)
{
    const struct btf_type *c = core(t);

    if (!c)
        return false;
    if (btf_is_int(c))
        return (btf_int_encoding(c) & BTF_INT_SIGNED) != 0;
    if (btf_kind(c) == BTF_KIND_ENUM) { /* before Linux 6.0 nothing says it but the values */
        const struct btf_enum *e = btf_enum(c);

        for (uint16_t i = 0; i < btf_vlen(c); i++)
            if (e[i].val < 0)
                return true;
        return btf_kflag(c);
    }
    return btf_kind(c) == KIND_ENUM64 && btf_kflag(c);
}

const struct ctype *btf_ctype_of(struct dbg *m, uint32_t id)
{
    const struct btf_type *record = id ? btf__type_by_id(btf_of(m), id) : NULL;
    bool fresh;
    struct ctype *t = record ? ctype_intern(m, record, 0, &fresh) : NULL;

    if (t && fresh)
        t->id = id;
    return t;
}

const struct ctype *btf_ctype_target(const struct ctype *t)
{
    const struct btf_type *c = core(t);
    uint32_t id;

    if (!c || (!btf_is_ptr(c) && !btf_is_array(c)))
        return NULL;
    id = btf_is_ptr(c) ? c->type : btf_array(c)->type;
    return strip_id(t->m, id) ? btf_ctype_of(t->m, id) : NULL;
}

uint64_t btf_ctype_array_len(const struct ctype *t)
{
    const struct btf_type *c = core(t);

    return c && btf_is_array(c) ? btf_array(c)->nelems : 0;
}

/* ---- text ---- */

static const char *id_text(struct arena *a, const struct dbg *m, uint32_t id, int depth)
{
    const struct btf_type *t = id ? btf__type_by_id(btf_of(m), id) : NULL;
    const char *of, *name, *dims = "", *kind = "";

    if (!t)
        return "void";
    if (depth > NESTING_MAX)
        return "...";
    name = btf_name(m, t->name_off);
    switch (btf_kind(t)) {
    case BTF_KIND_CONST:
        return arena_printf(a, "const %s", id_text(a, m, t->type, depth + 1));
    case BTF_KIND_VOLATILE:
        return arena_printf(a, "volatile %s", id_text(a, m, t->type, depth + 1));
    case BTF_KIND_RESTRICT:
    case BTF_KIND_TYPE_TAG:
        return id_text(a, m, t->type, depth + 1);
    case BTF_KIND_PTR:
        of = id_text(a, m, t->type, depth + 1);
        return arena_printf(a, "%s%s*", of, of[strlen(of) - 1] == '*' ? "" : " ");
    case BTF_KIND_ARRAY:
        for (int i = 0; i < NESTING_MAX && t && btf_is_array(t); i++) {
            dims = arena_printf(a, "%s[%u]", dims, btf_array(t)->nelems);
            id = btf_array(t)->type;
            t = id ? btf__type_by_id(btf_of(m), id) : NULL;
        }
        return arena_printf(a, "%s %s", id_text(a, m, id, depth + 1), dims);
    case BTF_KIND_FUNC_PROTO:
        return arena_printf(a, "%s ()", id_text(a, m, t->type, depth + 1));
    case BTF_KIND_STRUCT:
        kind = "struct ";
        break;
    case BTF_KIND_UNION:
        kind = "union ";
        break;
    case BTF_KIND_FWD:
        kind = btf_kflag(t) ? "union " : "struct ";
        break;
    case BTF_KIND_ENUM:
    case KIND_ENUM64:
        kind = "enum ";
        break;
    default:
        break;
    }
    return arena_printf(a, "%s%.*s", kind, NAME_LEN_MAX, name ? name : *kind ? "{...}" : "?");
}

const char *btf_ctype_text(struct arena *a, const struct ctype *t, int depth)
{
    return id_text(a, t->m, t->id, depth);
}

/* ---- members ---- */

struct btf_walk {
    struct dbg *m;
    const char *name; /* looked for; NULL: every one */
    void (*fn)(const struct cmember *m, void *arg);
    void *arg;
    struct cmember *out;
    unsigned visits;
};

static bool walk_members(struct btf_walk *w, const struct btf_type *record, uint64_t base_bits,
                         int depth)
{
    const struct btf_member *members = btf_members(record);

    if (depth > NESTING_MAX)
        return false;
    for (uint16_t i = 0; i < btf_vlen(record); i++) {
        uint64_t bit = base_bits + btf_member_bit_offset(record, i);
        uint32_t bits = btf_member_bitfield_size(record, i);
        const char *name = btf_name(w->m, members[i].name_off);
        uint32_t id = strip_id(w->m, members[i].type);
        const struct btf_type *type = id ? btf__type_by_id(btf_of(w->m), id) : NULL;

        if (!type || ++w->visits > BOUND_DIES)
            continue;
        if (!name) { /* its members are ours */
            if (btf_is_composite(type) && walk_members(w, type, bit, depth + 1))
                return true;
            continue;
        }
        if (w->name && strcmp(name, w->name))
            continue;
        if (!bits && btf_is_int(type) && btf_int_bits(type) < type->size * 8) {
            bits = btf_int_bits(type); /* bit fields before Linux 5.0 */
            bit += btf_int_offset(type);
        }
        struct cmember found = {.name = name,
                                .type = btf_ctype_of(w->m, members[i].type),
                                .offset = bit / 8,
                                .bit_off = bits ? (uint32_t)(bit % 8) : 0,
                                .bit_size = bits};

        if (!found.type || bits > 64)
            continue;
        if (w->name) {
            *w->out = found;
            return true;
        }
        w->fn(&found, w->arg);
    }
    return false;
}

bool btf_ctype_members(const struct ctype *t, const char *name, struct cmember *out,
                       dbg_member_fn *fn, void *arg)
{
    const struct btf_type *c = core(t);
    struct btf_walk w = {.m = t->m, .name = name, .out = out, .fn = fn, .arg = arg};

    return c && btf_is_composite(c) && walk_members(&w, c, 0, 0);
}

/* ---- by name ---- */

static const struct ctype *find(struct dbg *m, const char *name, const uint32_t *kinds)
{
    for (; *kinds; kinds++) {
        int id = btf__find_by_name_kind(btf_of(m), name, *kinds);

        if (id > 0)
            return btf_ctype_of(m, (uint32_t)id);
    }
    return NULL;
}

const struct ctype *btf_type_named(struct dbg *m, const char *tag, const char *name)
{
    static const uint32_t plain[] = {
        BTF_KIND_TYPEDEF, BTF_KIND_INT,  BTF_KIND_FLOAT, BTF_KIND_STRUCT,
        BTF_KIND_UNION,   BTF_KIND_ENUM, KIND_ENUM64,    0};
    static const uint32_t structs[] = {BTF_KIND_STRUCT, 0};
    static const uint32_t unions[] = {BTF_KIND_UNION, 0};
    static const uint32_t enums[] = {BTF_KIND_ENUM, KIND_ENUM64, 0};

    return find(m, name,
                !*tag                   ? plain
                : !strcmp(tag, "union") ? unions
                : !strcmp(tag, "enum")  ? enums
                                        : structs);
}
