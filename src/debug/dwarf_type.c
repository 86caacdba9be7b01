/*
 * dwarf_type: C types from DWARF. Enters: names and DIEs; leaves: struct ctype, whose questions are
 * answered from the DIE when asked. Bounded: chains of typedefs, anonymous members, dimensions
 * (source.h). What a bound cuts off reads as "no such member".
 */
#include <dwarf.h>
#include <string.h>

#include "debug/dwarf_priv.h"

const struct ctype *ctype_of_die(struct dbg *m, Dwarf_Die *die, uint64_t dim)
{
    bool fresh;
    struct ctype *t = ctype_intern(m, die->addr, dim, &fresh);

    if (fresh) {
        t->data = ARENA_NEW(m->di->a, struct type_dies);
        dies_of(t)->named = *die;
    }
    return t;
}

const struct ctype *ctype_of(struct dbg *m, Dwarf_Die *die)
{
    Dwarf_Die type;

    return die_type(die, &type) ? ctype_of_die(m, &type, 0) : ctype_void(m->di);
}

/* ---- kind ---- */

static bool is_wrapper(int tag)
{
    switch (tag) {
    case DW_TAG_typedef:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_packed_type:
    case DW_TAG_shared_type:
    case DW_TAG_immutable_type:
        return true;
    default:
        return false;
    }
}

static enum ctype_kind base_kind(Dwarf_Die *die)
{
    uint64_t encoding;

    if (!die_udata(die, DW_AT_encoding, &encoding))
        return CT_OTHER;
    switch (encoding) {
    case DW_ATE_boolean:
        return CT_BOOL;
    case DW_ATE_signed_char:
    case DW_ATE_unsigned_char:
        return CT_CHAR;
    case DW_ATE_signed:
    case DW_ATE_unsigned:
    case DW_ATE_address:
    case DW_ATE_UTF:
        return CT_INT;
    case DW_ATE_float:
        return CT_FLOAT;
    default:
        return CT_OTHER;
    }
}

static enum ctype_kind kind_of(Dwarf_Die *die)
{
    switch (dwarf_tag(die)) {
    case DW_TAG_base_type:
        return base_kind(die);
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return CT_POINTER;
    case DW_TAG_array_type:
        return CT_ARRAY;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return CT_STRUCT;
    case DW_TAG_union_type:
        return CT_UNION;
    case DW_TAG_enumeration_type:
        return CT_ENUM;
    case DW_TAG_subroutine_type:
        return CT_FUNC;
    case DW_TAG_unspecified_type:
        return CT_VOID;
    default:
        return CT_OTHER;
    }
}

/* Looks through typedefs and qualifiers; what they lead to is T's core. */
enum ctype_kind dw_kind(struct ctype *t)
{
    Dwarf_Die die = dies_of(t)->named;

    for (int i = 0; is_wrapper(dwarf_tag(&die)); i++) {
        Dwarf_Die next;

        if (!die_type(&die, &next)) {
            dies_of(t)->core = die;
            return CT_VOID; /* "const void", "typedef void x" */
        }
        die = next;
        if (i == CHAIN_MAX) {
            dies_of(t)->core = die;
            return CT_OTHER;
        }
    }
    Dwarf_Attribute signature; /* as in die_type, of a DIE found by its name */

    if (dwarf_attr(&die, DW_AT_signature, &signature) && !dwarf_formref_die(&signature, &die))
        die = dies_of(t)->named;
    dies_of(t)->core = die;
    return kind_of(&die);
}

/* ---- completing declarations ---- */

static bool is_record(enum ctype_kind k)
{
    return k == CT_STRUCT || k == CT_UNION || k == CT_ENUM;
}

/* "class" and "struct" are one thing. */
static bool same_tag(int a, int b)
{
    return (a == DW_TAG_class_type ? DW_TAG_structure_type : a) ==
           (b == DW_TAG_class_type ? DW_TAG_structure_type : b);
}

/* A type of that name whose tag is one of TAGS in their order (0 ends them); a complete one if
 * there is one. */
static bool find_type(struct dbg *m, const char *name, const int *tags, bool complete_only,
                      Dwarf_Die *out)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;
    uint32_t n = x ? index_find(x, INDEX_TYPES, name, &e) : 0;

    for (const int *tag = tags; *tag; tag++)
        for (int declared = 0; declared < (complete_only ? 1 : 2); declared++)
            for (uint32_t i = 0; i < n; i++)
                if (same_tag(e[i].tag, *tag) && !!(e[i].flags & ENTRY_DECLARATION) == declared &&
                    index_die(m, &e[i], out))
                    return true;
    return false;
}

/* Here first, then in the other modules opened so far. */
struct ctype *dw_complete(struct ctype *w)
{
    if (w->complete)
        return (struct ctype *)w->complete;
    if (!is_record(w->kind) || !die_flag(&dies_of(w)->core, DW_AT_declaration))
        return w;
    const char *name = die_name(&dies_of(w)->core);
    int tags[] = {dwarf_tag(&dies_of(w)->core), 0};
    Dwarf_Die die;

    if (!name)
        return w;
    if (!find_type(w->m, name, tags, true, &die)) {
        struct dbg *m = w->di->modules;

        while (m &&
               (m == w->m || m->source != w->m->source || !find_type(m, name, tags, true, &die)))
            m = m->next;
        if (!m)
            return w; /* a later module may have it: not remembered */
        w->complete = ctype_of_die(m, &die, 0);
    } else {
        w->complete = ctype_of_die(w->m, &die, 0);
    }
    return ctype_strip(w->complete);
}

/* ---- sizes ---- */

/* Elements of dimension DIM of an array; 0: unknown. *MORE: another dimension follows. */
static uint64_t dimension(Dwarf_Die *array, uint64_t dim, bool *more)
{
    Dwarf_Die child;
    uint64_t at = 0, count = 0;

    *more = false;
    if (dwarf_child(array, &child))
        return 0;
    do {
        uint64_t value;
        int tag = dwarf_tag(&child);

        if (tag != DW_TAG_subrange_type && tag != DW_TAG_enumeration_type)
            continue;
        if (at == dim + 1) {
            *more = true;
            return count;
        }
        if (at == dim) {
            /* C's lower bound is 0; DW_AT_upper_bound is -1 for "[0]" in some compilers. */
            if (die_udata(&child, DW_AT_count, &value))
                count = value;
            else if (die_udata(&child, DW_AT_upper_bound, &value))
                count = value == UINT32_MAX ? 0 : value + 1;
        }
        at++;
    } while (at < NESTING_MAX && dwarf_siblingof(&child, &child) == 0);
    return count;
}

static uint64_t size_of(const struct ctype *t, int depth)
{
    struct ctype *w = ctype_complete(t);
    uint64_t size = 0;

    if (w->is_void || w->kind == CT_VOID || w->kind == CT_FUNC || depth > NESTING_MAX)
        return 0;
    if (w->kind == CT_ARRAY) {
        uint64_t total;

        if (__builtin_mul_overflow(ctype_array_len(w), size_of(ctype_target(w), depth + 1), &total))
            return 0;
        return total;
    }
    if (die_udata(&dies_of(w)->core, DW_AT_byte_size, &size))
        return size;
    if (w->kind == CT_POINTER) {
        Dwarf_Die cu;
        uint8_t addr;

        return dwarf_diecu(&dies_of(w)->core, &cu, &addr, NULL) ? addr : 8;
    }
    if (w->kind == CT_ENUM) {
        Dwarf_Die under;

        return die_type(&dies_of(w)->core, &under)
                   ? size_of(ctype_of_die(w->m, &under, 0), depth + 1)
                   : 0;
    }
    return 0;
}

uint64_t dw_size(const struct ctype *t)
{
    return size_of(t, 0);
}

uint64_t dw_array_len(const struct ctype *t)
{
    struct ctype *w = ctype_strip(t);
    bool more;

    return w->kind == CT_ARRAY ? dimension(&dies_of(w)->core, w->key.dim, &more) : 0;
}

static bool enum_signed(Dwarf_Die *core)
{
    Dwarf_Die child;
    int visits = 0;

    if (dwarf_child(core, &child))
        return false;
    do {
        Dwarf_Attribute attr;
        Dwarf_Sword value;

        /* Unsigned constants have unsigned forms; DW_FORM_data* is read as it says in 7.5.5: by
         * context, and compilers use sdata for what is negative. */
        if (dwarf_tag(&child) == DW_TAG_enumerator &&
            dwarf_attr(&child, DW_AT_const_value, &attr) &&
            dwarf_whatform(&attr) == DW_FORM_sdata && !dwarf_formsdata(&attr, &value) && value < 0)
            return true;
    } while (++visits < BOUND_ENUMERATORS && dwarf_siblingof(&child, &child) == 0);
    return false;
}

bool dw_signed(const struct ctype *t)
{
    struct ctype *w = ctype_complete(t);
    uint64_t encoding;
    Dwarf_Die under;

    switch (w->kind) {
    case CT_ENUM:
        if (!die_type(&dies_of(w)->core, &under))
            return enum_signed(&dies_of(w)->core);
        for (int i = 0; i < CHAIN_MAX && is_wrapper(dwarf_tag(&under)); i++)
            if (!die_type(&under, &under))
                return false;
        return die_udata(&under, DW_AT_encoding, &encoding) &&
               (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
    case CT_INT:
    case CT_CHAR:
        return die_udata(&dies_of(w)->core, DW_AT_encoding, &encoding) &&
               (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
    case CT_FLOAT:
        return true;
    default:
        return false;
    }
}

const struct ctype *dw_target(const struct ctype *t)
{
    struct ctype *w = ctype_strip(t);
    Dwarf_Die die;

    if (w->kind == CT_ARRAY) {
        bool more;

        dimension(&dies_of(w)->core, w->key.dim, &more);
        if (more)
            return ctype_of_die(w->m, &dies_of(w)->core, w->key.dim + 1);
        return ctype_of(w->m, &dies_of(w)->core);
    }
    if (w->kind != CT_POINTER || !die_type(&dies_of(w)->core, &die))
        return NULL;
    const struct ctype *to = ctype_of_die(w->m, &die, 0);

    return ctype_kind(to) == CT_VOID ? NULL : to;
}

/* ---- text ---- */

const char *dw_text(struct arena *a, const struct ctype *t, int depth)
{
    Dwarf_Die die = dies_of(t)->named;
    const char *name = die_name(&die);
    const char *kind = "";

    switch (dwarf_tag(&die)) {
    case DW_TAG_const_type: {
        const char *of = ctype_text_at(a, ctype_of(t->m, &die), depth + 1);

        return strncmp(of, "const ", 6) ? arena_printf(a, "const %s", of)
                                        : of; /* an array and its elements */
    }
    case DW_TAG_volatile_type:
        return arena_printf(a, "volatile %s", ctype_text_at(a, ctype_of(t->m, &die), depth + 1));
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
        return ctype_text_at(a, ctype_of(t->m, &die), depth + 1);
    case DW_TAG_pointer_type: {
        const char *to = ctype_text_at(a, ctype_of(t->m, &die), depth + 1);

        return arena_printf(a, "%s%s*", to, to[strlen(to) - 1] == '*' ? "" : " ");
    }
    case DW_TAG_array_type: {
        const struct ctype *to = ctype_target(t);
        const char *dims = "";

        for (int i = 0; i < NESTING_MAX && ctype_kind(t) == CT_ARRAY; i++) {
            uint64_t n = ctype_array_len(t);

            dims = n ? arena_printf(a, "%s[%llu]", dims, (unsigned long long)n)
                     : arena_printf(a, "%s[]", dims);
            to = ctype_target(t);
            if (!to || to->is_void || dwarf_tag(&dies_of(to)->named) != DW_TAG_array_type)
                break;
            t = to;
        }
        return arena_printf(a, "%s %s", to ? ctype_text_at(a, to, depth + 1) : "void", dims);
    }
    case DW_TAG_subroutine_type:
        return arena_printf(a, "%s ()", ctype_text_at(a, ctype_of(t->m, &die), depth + 1));
    case DW_TAG_structure_type:
        kind = "struct ";
        break;
    case DW_TAG_class_type:
        kind = "class ";
        break;
    case DW_TAG_union_type:
        kind = "union ";
        break;
    case DW_TAG_enumeration_type:
        kind = "enum ";
        break;
    default:
        break;
    }
    return arena_printf(a, "%s%.*s", kind, NAME_LEN_MAX, name ? name : *kind ? "{...}" : "?");
}

/* ---- types by name ---- */

const struct ctype *dw_type(struct dbg *m, const char *tag, const char *name)
{
    static const int plain[] = {DW_TAG_typedef,    DW_TAG_base_type,        DW_TAG_structure_type,
                                DW_TAG_union_type, DW_TAG_enumeration_type, 0};
    static const int structs[] = {DW_TAG_structure_type, 0};
    static const int unions[] = {DW_TAG_union_type, 0};
    static const int enums[] = {DW_TAG_enumeration_type, 0};
    Dwarf_Die die;

    if (!find_type(m, name,
                   !*tag                   ? plain
                   : !strcmp(tag, "union") ? unions
                   : !strcmp(tag, "enum")  ? enums
                                           : structs,
                   false, &die))
        return NULL;
    const struct ctype *t = ctype_of_die(m, &die, 0);
    const struct ctype *complete = ctype_complete(t), *stripped = ctype_strip(t);

    /* a declaration by its own name: the complete one */
    return complete != stripped && dies_of(t)->named.addr == dies_of(stripped)->core.addr ? complete
                                                                                          : t;
}
