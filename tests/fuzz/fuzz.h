/*
 * fuzz: readers of untrusted bytes, each as a function of an input. The files of this folder:
 *
 *     fuzz.c      the table of readers, and what they share
 *     elf.c, debug.c, pack.c, unwind.c, object.c, stacks.c, pprof.c, lua.c, conf.c, proc.c,
 *     script.c, answers.c
 *                 a reader each, or a few of one kind
 *     replay.c    a main of our own: runs saved inputs, then changes them at random
 *     NAME.dict   words of a reader's language, as libFuzzer and AFL++ read them
 *     corpus/     by NAME, inputs that once found something; each run of the tests replays them
 *
 * A new reader is one function, one row of the table in fuzz.c, and a dictionary if it reads text.
 * With clang's or AFL++'s -fsanitize=fuzzer (make fuzz) LLVMFuzzerTestOneInput is the entry, and
 * NGSTAP_FUZZ names the reader.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compile.h"

struct fuzz_reader {
    const char *name;
    /* Reads N bytes at DATA and checks what must hold of the answer (fuzz_check). True: the input
     * was accepted, as far as the reader says so. */
    bool (*read)(const uint8_t *data, size_t n);
    uint32_t max; /* bytes of an input */
};

extern const struct fuzz_reader fuzz_readers[]; /* up to one without a name */

/* NULL: there is none of that name. */
const struct fuzz_reader *fuzz_find(const char *name);

/* Ends the process by abort(3) unless OK: what must hold does not. */
void fuzz_check(bool ok, const char *what);

/* A compile whose messages are counted and dropped; fuzz_compile_end frees all of its arena. */
void fuzz_compile_begin(struct compile *cx);
void fuzz_compile_end(struct compile *cx);

/* A file in memory with those bytes, open for reading; the caller closes it. */
int fuzz_fd(const uint8_t *data, size_t n);

/* Writes the bytes to the file NAME ("a/b") of this process's own folder, whose path comes back;
 * the folder is removed at the end. */
const char *fuzz_file(const char *name, const uint8_t *data, size_t n);
const char *fuzz_folder(void);

/* What must hold of any profile that was read. */
struct out_profile;
void fuzz_profile(struct compile *cx, const struct out_profile *p);

bool fuzz_elf(const uint8_t *data, size_t n);
bool fuzz_debug(const uint8_t *data, size_t n);
bool fuzz_pack(const uint8_t *data, size_t n);
bool fuzz_unwind(const uint8_t *data, size_t n);
bool fuzz_object(const uint8_t *data, size_t n);
bool fuzz_stacks(const uint8_t *data, size_t n);
bool fuzz_pprof(const uint8_t *data, size_t n);
bool fuzz_lua(const uint8_t *data, size_t n);
bool fuzz_conf(const uint8_t *data, size_t n);
bool fuzz_maps(const uint8_t *data, size_t n);
bool fuzz_mountinfo(const uint8_t *data, size_t n);
bool fuzz_script(const uint8_t *data, size_t n);
bool fuzz_words(const uint8_t *data, size_t n);
bool fuzz_answers(const uint8_t *data, size_t n);

#endif
