/*
 * tables: the tables of probe types, one per file, that table.c strings together. Each ends with
 * a row whose pattern is NULL.
 */
#ifndef PROBE_TABLES_H
#define PROBE_TABLES_H

#include "probe/probe.h"

extern const struct probe_type probe_types_begin[];
extern const struct probe_type probe_types_timer[];
extern const struct probe_type probe_types_process[];

#endif
