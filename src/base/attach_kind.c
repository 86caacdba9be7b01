/*
 * attach_kind: the table's rows. Enters: a kind; leaves: its row.
 */
#include "base/attach_kind.h"

#include <stddef.h>

static const struct attach_kind rows[PROBE_KINDS] = {
#define ATTACH_ROW(id, section, context, flags, cost)                                              \
    [PROBE_##id] = {section, context, flags, cost},
    ATTACH_KINDS(ATTACH_ROW)
#undef ATTACH_ROW
};

const struct attach_kind *attach_kind(uint32_t kind)
{
    return &rows[kind];
}
