# What "make check" runs: every test prints TAP ("ok 1 - name", "not ok ...", "ok 3 # SKIP why").
# One line a test. C tests are unit/NAME_test.c over the objects of ngstap without its main.

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' CC='$(CC)'; \
	export top_srcdir top_builddir CC;

EXTRA_DIST += tests/unit/tap.h tests/lint/deps.sh

TESTS += tests/lint/deps.sh

# The objects a C test is linked with.
UNIT_OBJECTS = $(filter-out src/cli/%,$(ngstap_OBJECTS))

check_PROGRAMS += tests/unit/syntax_print
tests_unit_syntax_print_SOURCES = tests/unit/syntax_print.c
tests_unit_syntax_print_LDADD = $(UNIT_OBJECTS)
tests_unit_syntax_print_DEPENDENCIES = $(UNIT_OBJECTS)
EXTRA_DIST += tests/parse.sh tests/parse-ok tests/parse-ko
TESTS += tests/parse.sh

check_PROGRAMS += tests/unit/sxx_expand
tests_unit_sxx_expand_SOURCES = tests/unit/sxx_expand.c
tests_unit_sxx_expand_LDADD = $(UNIT_OBJECTS)
tests_unit_sxx_expand_DEPENDENCIES = $(UNIT_OBJECTS)
EXTRA_DIST += tests/sxx.sh tests/sxx
TESTS += tests/sxx.sh
