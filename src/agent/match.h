/*
 * match: which rule of a configuration a process fits.
 */
#ifndef AGENT_MATCH_H
#define AGENT_MATCH_H

#include "agent/scan.h"

/* The first rule that P fits; NULL: none. Asks for its container's names if a rule does, once a
 * container, and if one fits. */
const struct conf_rule *match_rule(const struct agent_conf *conf, struct compile *cx,
                                   const char *proc, struct scan_process *p);

#endif
