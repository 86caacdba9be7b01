/*
 * make_object: writes the hand-made object to a file, for tests of the command line: make_object
 * FILE [broken].
 */
#include <stdio.h>

#include "object_fixture.h"

int main(int argc, char **argv)
{
    struct compile cx = fixture_compile(stderr);
    void *elf;
    size_t size;
    FILE *f = argc > 1 ? fopen(argv[1], "w") : NULL;
    bool ok = f && cg_write_elf(fixture_unit(&cx, argc > 2), &elf, &size) &&
              fwrite(elf, 1, size, f) == size;

    if (f && fclose(f))
        ok = false;
    fixture_free(&cx);
    return ok ? 0 : 1;
}
