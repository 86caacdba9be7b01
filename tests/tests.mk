# What "make check" runs: every test prints TAP ("ok 1 - name", "not ok ...", "ok 3 # SKIP why").
# One line a test. C tests are unit/NAME_test.c over the objects of ngstap without its main.

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' CC='$(CC)'; \
	export top_srcdir top_builddir CC;

EXTRA_DIST += tests/unit/tap.h tests/lint/deps.sh

TESTS += tests/lint/deps.sh
