/*
 * table: all families of built-in functions; one line each.
 */
#include "func/family.h"

#include <string.h>

static const struct func_family *const families[] = {
    &func_context, &func_memory, &func_string, &func_symbol, &func_control,
};

const struct intrinsic *func_find(const char *name, int n)
{
    for (unsigned f = 0; f < sizeof(families) / sizeof(*families); f++)
        for (uint32_t i = 0; i < families[f]->n; i++) {
            const struct intrinsic *row = &families[f]->rows[i];

            if (!strcmp(row->name, name) && (n < 0 || (n >= row->min_args && n <= row->n_args)))
                return row;
        }
    return NULL;
}

void func_each(void (*fn)(const struct intrinsic *f, void *arg), void *arg)
{
    for (unsigned f = 0; f < sizeof(families) / sizeof(*families); f++)
        for (uint32_t i = 0; i < families[f]->n; i++)
            fn(&families[f]->rows[i], arg);
}
