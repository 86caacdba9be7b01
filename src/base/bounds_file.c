/*
 * bounds_file: which file of the target is in hand, for messages about what goes wrong anywhere
 * (memory, time). Enters: its name; leaves: a copy; and the end of the process, when there is no
 * memory. Lies below the arena, which takes memory, and so below all that bounds.c tells.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bounds.h"

enum { FILE_LEN_MAX = BOUND_FILE_LEN };

static char own[FILE_LEN_MAX], *in_hand = own;

void bounds_file(const char *file)
{
    snprintf(in_hand, FILE_LEN_MAX, "%s", file);
}

void bounds_file_share(char *room)
{
    in_hand = room;
}

const char *bounds_file_in_hand(void)
{
    return in_hand;
}

void bounds_no_memory(void)
{
    fputs("ngstap: out of memory", stderr);
    if (*in_hand)
        fprintf(stderr, ", reading %s", in_hand);
    fputc('\n', stderr);
    exit(1);
}
