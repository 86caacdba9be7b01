/*
 * agent: "ngstap agent": profiles what fits a configuration, all the time. Enters: the options;
 * leaves: what src/agent/ does.
 */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/arena.h"
#include "base/diag.h"
#include "cli/options.h"
#include "cli/subcommand.h"

static const struct span nowhere;

static const char usual_conf[] = "/etc/ngstap/agent.conf";

struct command {
    const char *conf;
    bool check;
};

static bool set_conf(void *command, const char *option, const char *value)
{
    ((struct command *)command)->conf = value;
    return true;
}

static bool set_check(void *command, const char *option, const char *value)
{
    ((struct command *)command)->check = true;
    return true;
}

static const struct command_option taken[] = {
    {"-f", "FILE", "the configuration (/etc/ngstap/agent.conf)", set_conf},
    {"--check", NULL, "say what is wrong with it, or which processes fit now, and end", set_check},
};

static const struct command_options options = {
    "ngstap agent",
    "Usage: ngstap agent [OPTION]...\n"
    "Profiles the processes that fit a configuration, all the time, at a low rate and within a\n"
    "budget, and sends the profiles to an engine that keeps them.\n\n",
    taken, sizeof(taken) / sizeof(*taken)};

/* Our own file, by the name that it has now: a session is of the version that is installed. */
static const char *own_program(struct arena *a)
{
    static const char deleted[] = " (deleted)";
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n <= 0)
        return "/proc/self/exe";
    path[n] = '\0';
    if ((size_t)n > sizeof(deleted) - 1 && !strcmp(path + n - (sizeof(deleted) - 1), deleted))
        path[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
    return arena_strdup(a, path);
}

int subcommand_agent(struct compile *cx, int argc, char **argv)
{
    struct command c = {.conf = usual_conf};
    const struct agent_conf *conf;
    struct options o;

    if (!options_command(cx, argc, argv, &options, &c, &o))
        return 1;
    if (o.help)
        return 0;
    if (optind != argc) {
        diag_error(cx->diag, nowhere, "options", "agent takes no argument such as %s",
                   argv[optind]);
        diag_hint(cx->diag, "the configuration is named by -f");
        return 1;
    }
    if (!c.check)
        return agent_run(cx, c.conf, own_program(cx->arena));
    conf = conf_read(cx, c.conf);
    return conf && agent_list(cx, conf, stdout) ? 0 : 1;
}
