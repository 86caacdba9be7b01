/*
 * dwarf_types: the types of the program that dwarf_test compiles, included by both, so that the
 * test knows by sizeof and offsetof what DWARF must say.
 */
#ifndef TESTS_UNIT_DWARF_TYPES_H
#define TESTS_UNIT_DWARF_TYPES_H

struct opaque; /* complete in the library only */
typedef struct opaque opaque_t;

enum colour { RED = 3, GREEN, BLUE = 200 };
enum sign { MINUS = -7, PLUS = 7 };
typedef enum { FIRST, SECOND } order_t;
enum { LARGE = 4000000000u };

typedef unsigned long word_t;
typedef const volatile word_t cv_word_t;

struct bits {
    unsigned a : 3;
    unsigned b : 7;
    int c : 12;
    unsigned long d : 40;
    unsigned char e : 2;
    _Bool f : 1;
};

struct point {
    int x;
    union {
        int y;
        struct {
            short lo, hi;
        };
    };
    struct {
        char deep[3];
        union {
            long number;
            double real;
        };
    } named;
};

typedef union value {
    word_t word;
    struct point *point;
    float f;
} value_t;

struct list {
    struct list *next;
    struct point at;
    const char *name;
    int grid[3][5];
    value_t values[4];
    order_t order;
    enum sign sign;
    int (*call)(struct list *, int);
    struct opaque *opaque;
    opaque_t *opaque2;
    cv_word_t cv;
    char tail[];
};

#endif
