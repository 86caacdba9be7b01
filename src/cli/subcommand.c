/*
 * subcommand: the table of subcommands, see subcommand.h.
 */
#include "cli/subcommand.h"

#include <string.h>

static const struct subcommand rows[] = {
    {"flame", "profiles the Lua code of a process or container, and draws it", subcommand_flame},
    {"convert", "stacks that were saved as text, as a picture or for another tool",
     subcommand_convert},
    {"diff", "what changed between two saved profiles, as a flame graph", subcommand_diff},
    {"types", "layouts of a target's types, as a C header", subcommand_types},
    {"fix-lua-bt", "names of functions in saved stacks, for their @path:line",
     subcommand_fix_lua_bt},
};

const struct subcommand *subcommand_find(int *argc, char ***argv)
{
    for (int skip = 0; skip < 2 && skip < *argc; skip++) {
        const char *name = (*argv)[skip], *slash = skip ? NULL : strrchr(name, '/');

        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
            if (!strcmp(slash ? slash + 1 : name, rows[i].name)) {
                *argc -= skip;
                *argv += skip;
                return &rows[i];
            }
    }
    return NULL;
}

void subcommand_help(FILE *out)
{
    fputs("\nCommands:\n", out);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        fprintf(out, "  %-22s  %s\n", rows[i].name, rows[i].summary);
}
