# What "make check" runs: every test prints TAP ("ok 1 - name", "not ok ...", "ok 3 # SKIP why").
# One line a test. C tests are unit/NAME_test.c over the objects of ngstap without its main.

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' CC='$(CC)'; \
	export top_srcdir top_builddir CC;

EXTRA_DIST += tests/unit/tap.h tests/lint/deps.sh

TESTS += tests/lint/deps.sh
TESTS += tests/docker-root.sh tests/known-answer.sh
EXTRA_DIST += tests/docker-root.sh tests/known-answer.sh tests/targets

# The objects a C test is linked with.
UNIT_OBJECTS = $(filter-out src/cli/%,$(ngstap_OBJECTS))

check_PROGRAMS += tests/unit/syntax_print
tests_unit_syntax_print_SOURCES = tests/unit/syntax_print.c
tests_unit_syntax_print_LDADD = $(UNIT_OBJECTS)
tests_unit_syntax_print_DEPENDENCIES = $(UNIT_OBJECTS)

check_PROGRAMS += tests/unit/ir_test
tests_unit_ir_test_SOURCES = tests/unit/ir_test.c tests/unit/tap.h
tests_unit_ir_test_LDADD = $(UNIT_OBJECTS)
tests_unit_ir_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/ir_test

check_PROGRAMS += tests/unit/object_test tests/unit/load_test
tests_unit_object_test_SOURCES = tests/unit/object_test.c tests/unit/object_fixture.c tests/unit/object_fixture.h \
	tests/unit/tap.h
tests_unit_object_test_LDADD = $(UNIT_OBJECTS)
tests_unit_object_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_load_test_SOURCES = tests/unit/load_test.c tests/unit/object_fixture.c tests/unit/object_fixture.h \
	tests/unit/tap.h
tests_unit_load_test_LDADD = $(UNIT_OBJECTS)
tests_unit_load_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/object_test tests/unit/load_test

check_PROGRAMS += tests/unit/target_test tests/unit/dwarf_test
tests_unit_target_test_SOURCES = tests/unit/target_test.c tests/unit/tap.h
tests_unit_target_test_LDADD = $(UNIT_OBJECTS)
tests_unit_target_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_dwarf_test_SOURCES = tests/unit/dwarf_test.c tests/unit/dwarf_types.h tests/unit/tap.h
tests_unit_dwarf_test_LDADD = $(UNIT_OBJECTS)
tests_unit_dwarf_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/target_test tests/unit/dwarf_test
check_PROGRAMS += tests/unit/run_interp_test tests/unit/run_text_test tests/unit/run_helper_test tests/unit/run_session_test
RUN_FIXTURE = tests/unit/run_fixture.c tests/unit/run_fixture.h tests/unit/tap.h
tests_unit_run_interp_test_SOURCES = tests/unit/run_interp_test.c tests/unit/tap.h
tests_unit_run_interp_test_LDADD = $(UNIT_OBJECTS)
tests_unit_run_interp_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_run_text_test_SOURCES = tests/unit/run_text_test.c tests/unit/tap.h
tests_unit_run_text_test_LDADD = $(UNIT_OBJECTS)
tests_unit_run_text_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_run_helper_test_SOURCES = tests/unit/run_helper_test.c $(RUN_FIXTURE)
tests_unit_run_helper_test_LDADD = $(UNIT_OBJECTS)
tests_unit_run_helper_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_run_session_test_SOURCES = tests/unit/run_session_test.c $(RUN_FIXTURE)
tests_unit_run_session_test_LDADD = $(UNIT_OBJECTS)
tests_unit_run_session_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/run_interp_test tests/unit/run_text_test tests/unit/run_helper_test tests/unit/run_session_test
check_PROGRAMS += tests/unit/make_object
tests_unit_make_object_SOURCES = tests/unit/make_object.c tests/unit/object_fixture.c tests/unit/object_fixture.h
tests_unit_make_object_LDADD = $(UNIT_OBJECTS)
tests_unit_make_object_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/cli.sh
EXTRA_DIST += tests/cli.sh
check_PROGRAMS += tests/unit/run_kernel_test tests/unit/run_symbols_test
tests_unit_run_symbols_test_SOURCES = tests/unit/run_symbols_test.c tests/unit/tap.h
tests_unit_run_symbols_test_LDADD = $(UNIT_OBJECTS)
tests_unit_run_symbols_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_run_kernel_test_SOURCES = tests/unit/run_kernel_test.c tests/unit/tap.h
tests_unit_run_kernel_test_LDADD = $(UNIT_OBJECTS)
tests_unit_run_kernel_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/run_kernel_test tests/unit/run_symbols_test
EXTRA_DIST += tests/parse.sh tests/parse-ok tests/parse-ko
TESTS += tests/parse.sh
check_PROGRAMS += tests/unit/sema_print
tests_unit_sema_print_SOURCES = tests/unit/sema_print.c
tests_unit_sema_print_LDADD = $(UNIT_OBJECTS)
tests_unit_sema_print_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/sema.sh
EXTRA_DIST += tests/sema.sh tests/sema-ok tests/sema-ko

check_PROGRAMS += tests/unit/sxx_expand
tests_unit_sxx_expand_SOURCES = tests/unit/sxx_expand.c
tests_unit_sxx_expand_LDADD = $(UNIT_OBJECTS)
tests_unit_sxx_expand_DEPENDENCIES = $(UNIT_OBJECTS)
EXTRA_DIST += tests/sxx.sh tests/sxx
TESTS += tests/sxx.sh
check_PROGRAMS += tests/unit/sxx_fuzz_test
tests_unit_sxx_fuzz_test_SOURCES = tests/unit/sxx_fuzz_test.c tests/unit/tap.h
tests_unit_sxx_fuzz_test_LDADD = $(UNIT_OBJECTS)
tests_unit_sxx_fuzz_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/sxx_fuzz_test

check_PROGRAMS += tests/unit/cg_test
tests_unit_cg_test_SOURCES = tests/unit/cg_test.c tests/unit/cg_fixture.c tests/unit/cg_fixture.h tests/unit/tap.h
tests_unit_cg_test_LDADD = $(UNIT_OBJECTS)
tests_unit_cg_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/cg_test
check_PROGRAMS += tests/unit/cg_text_test
tests_unit_cg_text_test_SOURCES = tests/unit/cg_text_test.c tests/unit/cg_fixture.c tests/unit/cg_fixture.h tests/unit/tap.h
tests_unit_cg_text_test_LDADD = $(UNIT_OBJECTS)
tests_unit_cg_text_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/cg_text_test
check_PROGRAMS += tests/unit/cg_data_test
tests_unit_cg_data_test_SOURCES = tests/unit/cg_data_test.c tests/unit/cg_fixture.c tests/unit/cg_fixture.h tests/unit/tap.h
tests_unit_cg_data_test_LDADD = $(UNIT_OBJECTS)
tests_unit_cg_data_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/cg_data_test
check_PROGRAMS += tests/unit/cg_flow_test
tests_unit_cg_flow_test_SOURCES = tests/unit/cg_flow_test.c tests/unit/cg_fixture.c tests/unit/cg_fixture.h tests/unit/tap.h
tests_unit_cg_flow_test_LDADD = $(UNIT_OBJECTS)
tests_unit_cg_flow_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/cg_flow_test
TESTS += tests/profile.sh
EXTRA_DIST += tests/profile.sh
TESTS += tests/errors.sh
EXTRA_DIST += tests/errors.sh
TESTS += tests/hostile.sh
EXTRA_DIST += tests/hostile.sh
TESTS += tests/containers.sh
EXTRA_DIST += tests/containers.sh
TESTS += tests/lint/tidy.sh
EXTRA_DIST += tests/lint/tidy.sh .clang-tidy .clang-format .editorconfig
EXTRA_DIST += tests/tap.sh
TESTS += tests/fallbacks.sh
EXTRA_DIST += tests/fallbacks.sh tests/calls tests/returns tests/shares.sh tests/homogeneous.awk
EXTRA_DIST += tests/fallbacks.sh
TESTS += tests/object.sh tests/kernel-types.sh tests/entry.sh tests/interval.sh tests/master.sh
EXTRA_DIST += tests/object.sh tests/kernel-types.sh tests/entry.sh tests/interval.sh tests/master.sh
TESTS += tests/object.sh
EXTRA_DIST += tests/object.sh
check_PROGRAMS += tests/unit/stap_module
tests_unit_stap_module_SOURCES = tests/unit/stap_module.c
tests_unit_stap_module_LDADD = $(UNIT_OBJECTS)
tests_unit_stap_module_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/object.sh tests/kernel-types.sh
EXTRA_DIST += tests/object.sh tests/kernel-types.sh
TESTS += tests/stap-build.sh
EXTRA_DIST += tests/stap-build.sh
EXTRA_DIST += tests/completion.sh
TESTS += tests/completion.sh
check_PROGRAMS += tests/unit/lua_functions
tests_unit_lua_functions_SOURCES = tests/unit/lua_functions.c tests/unit/tap.h
tests_unit_lua_functions_LDADD = $(UNIT_OBJECTS)
tests_unit_lua_functions_DEPENDENCIES = $(UNIT_OBJECTS)

# What "make check-slow" runs: other people's programs, built with our patches.
SLOW_TESTS = tests/slow/stap-sysroot.sh
EXTRA_DIST += tests/slow patches/systemtap/sysroot.patch
.PHONY: check-slow
check-slow: ngstap
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(SLOW_TESTS)'
TESTS += tests/stap.sh
EXTRA_DIST += tests/stap.sh tests/stap-ok tests/stap-ko
EXTRA_DIST += tests/flame.sh
TESTS += tests/flame.sh
EXTRA_DIST += tests/types.sh tests/types
TESTS += tests/types.sh

# What "make check-vm" runs: tests that boot other kernels in qemu, minutes each.
VM_TESTS = tests/vm/harness.sh tests/vm/kernels.sh tests/vm/stap.sh tests/vm/backends.sh tests/vm/judge.sh tests/vm/stap-probes.sh
TESTS += tests/judge.sh tests/judge-kernel.sh tests/stapxx.sh
EXTRA_DIST += tests/judge.sh tests/judge-kernel.sh tests/judge tests/stapxx.sh stapxx
EXTRA_DIST += tests/vm docs/judging.md
TESTS += tests/judge.sh
EXTRA_DIST += tests/judge.sh tests/judge
TESTS += tests/judge.sh tests/stapxx.sh
EXTRA_DIST += tests/judge.sh tests/judge tests/stapxx.sh stapxx
EXTRA_DIST += tests/vm
.PHONY: check-vm
check-vm: ngstap
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(VM_TESTS)'
EXTRA_DIST += tests/out.sh tests/out
TESTS += tests/out.sh
EXTRA_DIST += tests/browser.sh tests/browser.py
TESTS += tests/browser.sh
EXTRA_DIST += tests/speedscope.sh tests/pprof.sh tests/pprof.js
TESTS += tests/speedscope.sh tests/pprof.sh
check_PROGRAMS += tests/unit/lua_names_test tests/unit/lua_fuzz_test
tests_unit_lua_names_test_SOURCES = tests/unit/lua_names_test.c tests/unit/tap.h
tests_unit_lua_names_test_LDADD = $(UNIT_OBJECTS)
tests_unit_lua_names_test_DEPENDENCIES = $(UNIT_OBJECTS)
tests_unit_lua_fuzz_test_SOURCES = tests/unit/lua_fuzz_test.c tests/unit/tap.h
tests_unit_lua_fuzz_test_LDADD = $(UNIT_OBJECTS)
tests_unit_lua_fuzz_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/lua_names_test tests/unit/lua_fuzz_test tests/lua.sh
EXTRA_DIST += tests/lua.sh tests/lua
check_PROGRAMS += tests/unit/out_fuzz_test
tests_unit_out_fuzz_test_SOURCES = tests/unit/out_fuzz_test.c tests/unit/tap.h
tests_unit_out_fuzz_test_LDADD = $(UNIT_OBJECTS)
tests_unit_out_fuzz_test_DEPENDENCIES = $(UNIT_OBJECTS)
TESTS += tests/unit/out_fuzz_test
