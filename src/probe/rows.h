/*
 * rows: the tables of probe types, one per file, that table.c strings together. Each ends with
 * a row whose pattern is NULL.
 */
#ifndef PROBE_ROWS_H
#define PROBE_ROWS_H

#include "probe/probe.h"

extern const struct probe_type probe_rows_begin[];
extern const struct probe_type probe_rows_timer[];
extern const struct probe_type probe_rows_process[];

#endif
