/*
 * protobuf: messages of Protocol Buffers, written and read (protobuf.dev, "Encoding": a field is
 * its number << 3 | its type, then a varint, eight bytes, or a length and so many bytes).
 */
#ifndef OUT_PROTOBUF_H
#define OUT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena;

/* ---- writing ---- */

/* A message that grows; all zeroes: an empty one. pb_free when it is done with. */
struct pb {
    unsigned char *p;
    size_t n, room;
    bool failed; /* there was no memory: what is there is not whole */
};

void pb_free(struct pb *b);
void pb_varint(struct pb *b, uint64_t v);
/* The fields; a value of 0 and a text of no bytes are the default, and are left out. */
void pb_number(struct pb *b, unsigned field, uint64_t v);
void pb_fixed64(struct pb *b, unsigned field, uint64_t v);
void pb_text(struct pb *b, unsigned field, const char *text);
/* N bytes at P, also when there are none. */
void pb_block(struct pb *b, unsigned field, const void *p, size_t n);
/* What FROM holds becomes a field of B; FROM is emptied. */
void pb_message(struct pb *b, unsigned field, struct pb *from);

/* All of B to F, gzipped. False: out of memory, also before. */
bool pb_gzip(const struct pb *b, FILE *f);

/* A table whose entries are named by their index, each held once; all zeroes: an empty one. What
 * the arena does not hold goes by pb_table_free. */
struct pb_entry;
struct pb_table {
    struct pb_entry *by_bytes; /* uthash */
    struct pb_entry **v;       /* by index */
    uint32_t n;
};

/* The index of the entry of N bytes at P, which are copied if there is none. */
uint32_t pb_intern(struct arena *a, struct pb_table *t, const void *p, size_t n);
/* ... of what FROM holds, which is emptied. */
uint32_t pb_intern_message(struct arena *a, struct pb_table *t, struct pb *from);
/* ... of TEXT. */
uint32_t pb_intern_text(struct arena *a, struct pb_table *t, const char *text);
/* All entries in order, each a field of B. */
void pb_put_table(struct pb *b, unsigned field, const struct pb_table *t);
void pb_table_free(struct pb_table *t);

/* ---- reading: any bytes ---- */

enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_reader {
    const unsigned char *at, *end;
    bool bad; /* it was no message from there on */
};

struct pb_field {
    uint32_t number, type;
    uint64_t value;         /* of numbers */
    struct pb_reader bytes; /* of PB_BYTES */
};

/* The next field of R; false: there is none, or R is bad from here on. */
bool pb_next(struct pb_reader *r, struct pb_field *f);

/* The next number of R, which holds packed ones; false likewise. */
bool pb_next_number(struct pb_reader *r, uint64_t *v);

/* What is gzipped in the N bytes at P, MAX bytes at most: malloc'ed, its length in *LEN. NULL: it
 * is damaged, too long, or there is no memory. */
unsigned char *pb_gunzip(const unsigned char *p, size_t n, size_t max, size_t *len);

#endif
