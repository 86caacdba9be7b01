/*
 * peek: the running kernel's memory, and ngstap's own task in it, for handlers in user space.
 */
#ifndef LOAD_PEEK_H
#define LOAD_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEEK_MAX = 4096 }; /* bytes at a time */

struct peek;

/* NULL: the kernel lets nobody read its memory so. */
struct peek *peek_open(void);
void peek_close(struct peek *p);
/* N bytes at ADDR, at most PEEK_MAX, whole or false: a page that is not there is no harm. */
bool peek_read(struct peek *p, uint64_t addr, void *buf, size_t n);
/* The task_struct of the calling thread; 0: not known. */
uint64_t peek_task(struct peek *p);

#endif
