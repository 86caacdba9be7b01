/*
 * agent: profiles what fits its configuration, all the time.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdio.h>

#include "agent/conf.h"

/* Runs by the configuration at PATH, which SIGHUP makes it read again, until it is told to end
 * (CX->interrupt). PROGRAM is ours, which runs the sessions. The exit status. */
int agent_run(struct compile *cx, const char *path, const char *program);

/* Prints to OUT which processes fit now, a line a group. False after reporting. */
bool agent_list(struct compile *cx, const struct agent_conf *conf, FILE *out);

#endif
