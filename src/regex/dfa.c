/*
 * dfa: the automaton as a table. Enters: nodes; leaves: struct ngs_regex of base/abi.h. Refuses
 * what needs too many states or too large a table.
 *
 * A state is the set of nodes that the text so far may have led to, the expression's start among
 * them at each place, as a match may begin anywhere. A set that holds the end of the expression is
 * NGS_REGEX_YES, whatever follows; one that holds nothing is NGS_REGEX_NO. Bytes that no set of the
 * expression tells apart are one column.
 */
#include "regex/internal.h"

#include <stddef.h>
#include <string.h>

#include "base/abi.h"

enum { SET_WORDS = (REGEX_MAX_NODES + 63) / 64, HASH_SLOTS = 4096 };

struct state {
    uint64_t *has;  /* nodes: sets of bytes and ends of the text; WORDS of them */
    bool at_end;    /* is the expression done if the text ends here? */
    uint16_t *next; /* by column: as in the table */
    uint32_t chain; /* the next of its hash, from 1; 0: none */
};

struct maker {
    struct arena *a;
    const struct nodes *nodes;
    struct regex *re;
    uint32_t words;
    uint8_t column[256];
    uint32_t n_columns;
    unsigned sample[256]; /* a byte of each column */
    struct state states[REGEX_MAX_STATES];
    uint32_t n_states;
    uint32_t hash[HASH_SLOTS];
    uint32_t stack[REGEX_MAX_NODES], depth;
    uint64_t seen[SET_WORDS];
};

/* ---- columns ---- */

/* Splits columns of which SET has a part. */
static void split_columns(struct maker *m, const struct byte_set *set)
{
    uint32_t fresh[256] = {0}, before[256] = {0}, in[256] = {0};

    for (unsigned b = 0; b < 256; b++) {
        before[m->column[b]]++;
        in[m->column[b]] += set_has(set, b);
    }
    for (unsigned b = 0; b < 256; b++) {
        unsigned c = m->column[b];

        if (!set_has(set, b) || in[c] == before[c])
            continue;
        if (!fresh[c])
            fresh[c] = m->n_columns++;
        m->column[b] = (uint8_t)fresh[c];
    }
}

static void make_columns(struct maker *m)
{
    m->n_columns = 1;
    for (uint32_t i = 0; i < m->nodes->n; i++)
        if (m->nodes->v[i].kind == NODE_SET)
            split_columns(m, &m->nodes->v[i].set);
    for (unsigned b = 256; b-- > 0;)
        m->sample[m->column[b]] = b;
}

/* ---- sets of nodes ---- */

static bool has(const uint64_t *set, uint32_t node)
{
    return set[node / 64] >> node % 64 & 1;
}

/* Each node comes to the stack once. */
static void look_at(struct maker *m, uint32_t node)
{
    if (has(m->seen, node))
        return;
    m->seen[node / 64] |= 1ull << node % 64;
    m->stack[m->depth++] = node;
}

/*
 * Adds to SET what NODE leads to without a byte: START: at the start of the text; END: at its end.
 * m->seen says what was looked at. Returns whether the expression's end is among it.
 */
static bool add(struct maker *m, uint64_t *set, uint32_t node, bool start, bool end)
{
    bool match = false;

    look_at(m, node);
    while (m->depth) {
        uint32_t at = m->stack[--m->depth];
        const struct node *v = &m->nodes->v[at];

        if (v->kind == NODE_SET || v->kind == NODE_END)
            set[at / 64] |= 1ull << at % 64;
        match |= v->kind == NODE_MATCH;
        if (v->kind == NODE_SPLIT)
            look_at(m, v->other);
        if (v->kind == NODE_SPLIT || v->kind == NODE_EMPTY || (v->kind == NODE_START && start) ||
            (v->kind == NODE_END && end))
            look_at(m, v->next);
    }
    return match;
}

/* Would the expression be done if the text ended with SET? */
static bool done_at_end(struct maker *m, const uint64_t *set, bool start)
{
    uint64_t unused[SET_WORDS];
    bool match = false;

    memset(m->seen, 0, sizeof(m->seen));
    memset(unused, 0, sizeof(unused));
    for (uint32_t i = 0; i < m->nodes->n; i++)
        if (has(set, i) && m->nodes->v[i].kind == NODE_END)
            match |= add(m, unused, i, start, true);
    return match;
}

/* ---- states ---- */

static bool too_large(struct maker *m)
{
    *m->re = (struct regex){
        .error = arena_printf(m->a,
                              "it takes more than %d states, or a table of more than %d "
                              "numbers",
                              REGEX_MAX_STATES, REGEX_MAX_CELLS),
        .hint = "several expressions, or smaller bounds of what is repeated, take less",
    };
    return false;
}

static uint32_t row_size(const struct maker *m)
{
    return m->n_columns + 1;
}

static uint16_t row_of(const struct maker *m, uint32_t state)
{
    return (uint16_t)(NGS_REGEX_ROWS + state * row_size(m));
}

static bool new_state(struct maker *m, const uint64_t *set, bool start)
{
    if (m->n_states == REGEX_MAX_STATES ||
        NGS_REGEX_ROWS + (m->n_states + 1) * row_size(m) > REGEX_MAX_CELLS)
        return too_large(m);
    struct state *s = &m->states[m->n_states++];

    s->has = ARENA_ARRAY(m->a, uint64_t, m->words);
    memcpy(s->has, set, m->words * sizeof(*set));
    s->next = ARENA_ARRAY(m->a, uint16_t, m->n_columns);
    s->at_end = done_at_end(m, set, start);
    return true;
}

static uint32_t hash_of(const struct maker *m, const uint64_t *set)
{
    uint64_t h = 0;

    for (uint32_t i = 0; i < m->words; i++)
        h = (h ^ set[i]) * 0x9e3779b97f4a7c15;
    return (uint32_t)(h >> 32) % HASH_SLOTS;
}

/* The number, as in the table, of the state that SET is; 0 beside an error: none. */
static bool find_state(struct maker *m, const uint64_t *set, uint16_t *number)
{
    uint32_t h = hash_of(m, set);

    for (uint32_t i = m->hash[h]; i; i = m->states[i - 1].chain)
        if (!memcmp(m->states[i - 1].has, set, m->words * sizeof(*set))) {
            *number = row_of(m, i - 1);
            return true;
        }
    if (!new_state(m, set, false))
        return false;
    m->states[m->n_states - 1].chain = m->hash[h];
    m->hash[h] = m->n_states;
    *number = row_of(m, m->n_states - 1);
    return true;
}

/* Where the bytes of COLUMN lead from STATE. */
static bool follow(struct maker *m, uint32_t state, uint32_t column, uint16_t *to)
{
    const uint64_t *from = m->states[state].has;
    uint64_t set[SET_WORDS] = {0}, any = 0;
    bool match = false;

    memset(m->seen, 0, sizeof(m->seen));
    for (uint32_t i = 0; i < m->nodes->n; i++)
        if (has(from, i) && m->nodes->v[i].kind == NODE_SET &&
            set_has(&m->nodes->v[i].set, m->sample[column]))
            match |= add(m, set, m->nodes->v[i].next, false, false);
    match |= add(m, set, m->nodes->first, false, false);
    for (uint32_t i = 0; i < m->words; i++)
        any |= set[i];
    *to = match ? NGS_REGEX_YES : NGS_REGEX_NO;
    return match || !any || find_state(m, set, to);
}

static void put(char *table, uint32_t cell, uint16_t v)
{
    v = htole16(v);
    memcpy(table + 2 * (size_t)cell, &v, sizeof(v));
}

static void write_table(struct maker *m)
{
    uint32_t cells = NGS_REGEX_ROWS + m->n_states * row_size(m);
    char *table = arena_calloc(m->a, cells, 2);

    memcpy(table, m->column, sizeof(m->column));
    for (uint32_t k = 0; k < m->n_states; k++) {
        put(table, row_of(m, k), m->states[k].at_end);
        for (uint32_t c = 0; c < m->n_columns; c++)
            put(table, row_of(m, k) + 1 + c, m->states[k].next[c]);
    }
    *m->re = (struct regex){.table = table, .size = 2 * cells};
}

/* The first state: not one that others may be, as only there the text starts. */
static bool make_first(struct maker *m)
{
    uint64_t set[SET_WORDS] = {0};
    bool match;

    memset(m->seen, 0, sizeof(m->seen));
    match = add(m, set, m->nodes->first, true, false);
    if (!new_state(m, set, true))
        return false;
    for (uint32_t c = 0; c < m->n_columns && match; c++) /* the empty text matches: so does any */
        m->states[0].next[c] = NGS_REGEX_YES;
    m->states[0].at_end |= match;
    return true;
}

static bool make(struct maker *m)
{
    make_columns(m);
    if (!make_first(m))
        return false;
    if (m->states[0].at_end && m->states[0].next[0] == NGS_REGEX_YES) {
        write_table(m);
        return true;
    }
    for (uint32_t k = 0; k < m->n_states; k++)
        for (uint32_t c = 0; c < m->n_columns; c++)
            if (!follow(m, k, c, &m->states[k].next[c]))
                return false;
    write_table(m);
    return true;
}

bool regex_compile(struct arena *a, const char *pattern, uint32_t len, struct regex *re)
{
    struct maker *m = ARENA_NEW(a, struct maker);
    struct nodes *nodes = ARENA_NEW(a, struct nodes);

    m->a = a;
    m->nodes = nodes;
    m->re = re;
    if (!regex_parse(a, pattern, len, nodes, re))
        return false;
    m->words = (nodes->n + 63) / 64;
    return make(m);
}
