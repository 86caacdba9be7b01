/*
 * subcommand: the table of subcommands, see subcommand.h.
 */
#include "cli/subcommand.h"

#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "cli/options.h"

static int subcommand_help(struct compile *cx, int argc, char **argv);

static const struct subcommand rows[] = {
    {"flame", "a flame graph of a process, container or command: Lua, C and the kernel",
     subcommand_flame},
    {"agent", "profiles what fits a configuration, all the time", subcommand_agent},
    {"convert", "stacks that were saved as text, as a picture or for another tool",
     subcommand_convert},
    {"diff", "what changed between two saved profiles, as a flame graph", subcommand_diff},
    {"types", "layouts of a target's types, as a C header", subcommand_types},
    {"pack", "what scripts ask of a build's debug information, in a small file", subcommand_pack},
    {"push", "saved profiles to Pyroscope or a collector of OpenTelemetry", subcommand_push},
    {"fix-lua-bt", "names of functions in saved stacks, for their @path:line",
     subcommand_fix_lua_bt},
    {"help", "this text, or a command's: ngstap help COMMAND", subcommand_help},
};

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (!strcmp(name, rows[i].name))
            return &rows[i];
    return NULL;
}

const struct subcommand *subcommand_find(int *argc, char ***argv)
{
    for (int skip = 0; skip < 2 && skip < *argc; skip++) {
        const struct subcommand *row = find(skip ? (*argv)[skip] : base_name((*argv)[skip]));

        if (row) {
            *argc -= skip;
            *argv += skip;
            return row;
        }
    }
    return NULL;
}

void subcommand_near(struct near *near)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        near_try(near, rows[i].name);
}

void subcommand_list(FILE *out)
{
    options_help(out);
    fputs("\nCommands:\n", out);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        fprintf(out, "  %-22s  %s\n", rows[i].name, rows[i].summary);
}

static int subcommand_help(struct compile *cx, int argc, char **argv)
{
    static char option[] = "--help";
    const struct subcommand *row = argc > 1 ? find(argv[1]) : NULL;
    struct near near;

    if (argc < 2 || (row && row->run == subcommand_help)) {
        subcommand_list(stdout);
        return 0;
    }
    if (row)
        return row->run(cx, 2, (char *[]){argv[1], option, NULL});
    diag_error(cx->diag, (struct span){0}, "options", "there is no command %s", argv[1]);
    near_init(&near, argv[1]);
    subcommand_near(&near);
    if (near_best(&near))
        diag_hint(cx->diag, "did you mean %s?", near_best(&near));
    return 1;
}
