# What "make check" runs: every test prints TAP ("ok 1 - name", "not ok ...", "ok 3 # SKIP why").
#
# A shell test is a line of SHELL_TESTS, or of TIMED_TESTS, a C test one of UNIT_TESTS: unit/NAME.c,
# linked with all of ngstap but its command line; what it is made of besides goes into
# tests_unit_NAME_SOURCES. Folders of cases are lines of EXTRA_DIST; tests/dist.sh finds what the
# tarball lacks.

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' CC='$(CC)'; \
	export top_srcdir top_builddir CC;

# make's own rule would make tests/sxx, a folder, of tests/sxx.sh.
%: %.sh

# Tests that measure processor time: one after the other.
TIMED_TESTS =
SHELL_TESTS =
UNIT_TESTS =
# Programs that shell tests run.
UNIT_TOOLS =
TESTS += $(TIMED_TESTS) $(SHELL_TESTS) $(UNIT_TESTS)
check_PROGRAMS += $(UNIT_TESTS) $(UNIT_TOOLS)
EXTRA_DIST += $(TIMED_TESTS) $(SHELL_TESTS) tests/tap.sh tests/failed.sh tests/unit/tap.h \
	tests/targets
UNIT_OBJECTS = $(filter-out src/cli/%,$(ngstap_OBJECTS))
LDADD = $(UNIT_OBJECTS)

# Sources
SHELL_TESTS += tests/lint/deps.sh
SHELL_TESTS += tests/lint/arch.sh
SHELL_TESTS += tests/lint/circles.sh
SHELL_TESTS += tests/lint/columns.sh
SHELL_TESTS += tests/lint/unused.sh
EXTRA_DIST += tests/lint/circles.allowed tests/lint/unused.allowed
SHELL_TESTS += tests/dist.sh
UNIT_TOOLS += tests/unit/reference
SHELL_TESTS += tests/docs.sh
SHELL_TESTS += tests/lint/tidy.sh
EXTRA_DIST += .clang-tidy .clang-format .editorconfig

# The front end
UNIT_TOOLS += tests/unit/syntax_print tests/unit/sema_print tests/unit/sxx_expand
SHELL_TESTS += tests/parse.sh
EXTRA_DIST += tests/parse-ok tests/parse-ko
SHELL_TESTS += tests/sema.sh
EXTRA_DIST += tests/sema tests/sema-ok tests/sema-ko
SHELL_TESTS += tests/conformance-test.sh
EXTRA_DIST += tests/conformance.sh tests/conformance
SHELL_TESTS += tests/system-tapset.sh
SHELL_TESTS += tests/sxx.sh
EXTRA_DIST += tests/sxx
SHELL_TESTS += tests/stapxx.sh
EXTRA_DIST += stapxx

# The base
UNIT_TESTS += tests/unit/file_test
UNIT_TESTS += tests/unit/source_test
UNIT_TESTS += tests/unit/jail_test
UNIT_TESTS += tests/unit/client_test
SHELL_TESTS += tests/apart.sh
EXTRA_DIST += tests/apart

# Regular expressions
UNIT_TESTS += tests/unit/regex_test

# Machines
UNIT_TESTS += tests/unit/arch_test
SHELL_TESTS += tests/arm64.sh
EXTRA_DIST += tests/arm64

# The target
SHELL_TESTS += tests/docker-root.sh
UNIT_TESTS += tests/unit/target_test
UNIT_TESTS += tests/unit/marks_test
UNIT_TESTS += tests/unit/dwarf_test
tests_unit_dwarf_test_SOURCES = tests/unit/dwarf_test.c tests/unit/dwarf_types.h
SHELL_TESTS += tests/hostile-files.sh
SHELL_TESTS += tests/modules.sh
SHELL_TESTS += tests/debuginfod.sh
SHELL_TESTS += tests/types.sh
SHELL_TESTS += tests/moved.sh
EXTRA_DIST += tests/types

# Readers of untrusted bytes: see tests/fuzz/fuzz.h. "make fuzz" builds the same readers for a fuzzer.
FUZZ_READERS = tests/fuzz/fuzz.c tests/fuzz/fuzz.h tests/fuzz/answers.c tests/fuzz/conf.c \
	tests/fuzz/debug.c tests/fuzz/elf.c tests/fuzz/lua.c tests/fuzz/object.c tests/fuzz/pack.c \
	tests/fuzz/pprof.c tests/fuzz/proc.c tests/fuzz/script.c tests/fuzz/stacks.c tests/fuzz/unwind.c
UNIT_TOOLS += tests/fuzz/replay
tests_fuzz_replay_SOURCES = tests/fuzz/replay.c $(FUZZ_READERS)
EXTRA_PROGRAMS += tests/fuzz/fuzzer
tests_fuzz_fuzzer_SOURCES = $(FUZZ_READERS)
tests_fuzz_fuzzer_LDFLAGS = -fsanitize=fuzzer
SHELL_TESTS += tests/fuzz.sh
# Not the folder: it holds what is built, too.
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/make.sh tests/fuzz/run.sh tests/fuzz/seeds.sh \
	tests/fuzz/conf.dict tests/fuzz/lua.dict tests/fuzz/maps.dict tests/fuzz/mountinfo.dict \
	tests/fuzz/script.dict tests/fuzz/stacks.dict tests/fuzz/words.dict
.PHONY: fuzz
fuzz:
	$(srcdir)/tests/fuzz/make.sh '$(abs_builddir)/build-fuzz' '$(MAKE)'

# Code
UNIT_TESTS += tests/unit/ir_test
CG_FIXTURE = tests/unit/cg_fixture.c tests/unit/cg_fixture.h
UNIT_TESTS += tests/unit/cg_test
tests_unit_cg_test_SOURCES = tests/unit/cg_test.c $(CG_FIXTURE)
UNIT_TESTS += tests/unit/cg_text_test
tests_unit_cg_text_test_SOURCES = tests/unit/cg_text_test.c $(CG_FIXTURE)
UNIT_TESTS += tests/unit/cg_data_test
tests_unit_cg_data_test_SOURCES = tests/unit/cg_data_test.c $(CG_FIXTURE)
UNIT_TESTS += tests/unit/cg_flow_test
tests_unit_cg_flow_test_SOURCES = tests/unit/cg_flow_test.c $(CG_FIXTURE)

# Loading and running
OBJECT_FIXTURE = tests/unit/object_fixture.c tests/unit/object_fixture.h
UNIT_TOOLS += tests/unit/make_object
tests_unit_make_object_SOURCES = tests/unit/make_object.c $(OBJECT_FIXTURE)
UNIT_TESTS += tests/unit/object_test
tests_unit_object_test_SOURCES = tests/unit/object_test.c $(OBJECT_FIXTURE)
UNIT_TESTS += tests/unit/load_test
tests_unit_load_test_SOURCES = tests/unit/load_test.c $(OBJECT_FIXTURE)
RUN_FIXTURE = tests/unit/run_fixture.c tests/unit/run_fixture.h tests/unit/release.h
UNIT_TESTS += tests/unit/run_interp_test
UNIT_TESTS += tests/unit/run_text_test
UNIT_TESTS += tests/unit/run_gather_test
UNIT_TESTS += tests/unit/run_helper_test
tests_unit_run_helper_test_SOURCES = tests/unit/run_helper_test.c $(RUN_FIXTURE)
UNIT_TESTS += tests/unit/run_session_test
tests_unit_run_session_test_SOURCES = tests/unit/run_session_test.c $(RUN_FIXTURE)
UNIT_TESTS += tests/unit/run_kernel_test
tests_unit_run_kernel_test_SOURCES = tests/unit/run_kernel_test.c tests/unit/release.h
UNIT_TESTS += tests/unit/run_symbols_test

# The command line
SHELL_TESTS += tests/cli.sh
SHELL_TESTS += tests/newcomer.sh
SHELL_TESTS += tests/stap-name.sh
SHELL_TESTS += tests/completion.sh
SHELL_TESTS += tests/caps.sh

# What is installed
SHELL_TESTS += tests/package.sh
EXTRA_DIST += tests/roots.sh

# Scripts on real targets
TIMED_TESTS += tests/known-answer.sh
TIMED_TESTS += tests/profile.sh
TIMED_TESTS += tests/packs.sh
SHELL_TESTS += tests/kept.sh
TIMED_TESTS += tests/debian.sh
TIMED_TESTS += tests/layouts.sh tests/start-speed.sh
UNIT_TOOLS += tests/unit/layout_fit tests/unit/layout_fit_nginx
tests_unit_layout_fit_SOURCES = tests/unit/layout_fit.c tests/unit/layout_damage.h
tests_unit_layout_fit_nginx_SOURCES = tests/unit/layout_fit_nginx.c tests/unit/layout_damage.h
EXTRA_DIST += tests/shares.sh tests/as-built.sh tests/homogeneous.awk
SHELL_TESTS += tests/nginx-layouts.sh
SHELL_TESTS += tests/errors.sh
SHELL_TESTS += tests/hostile.sh
SHELL_TESTS += tests/containers.sh
SHELL_TESTS += tests/pod.sh
EXTRA_DIST += tests/pod tests/burn.lua
SHELL_TESTS += tests/otlp.sh tests/push.sh
SHELL_TESTS += tests/windows.sh
SHELL_TESTS += tests/agent.sh tests/agent-files.sh
UNIT_TESTS += tests/unit/agent_test
EXTRA_DIST += tests/push
SHELL_TESTS += tests/fallbacks.sh
EXTRA_DIST += tests/calls tests/returns
SHELL_TESTS += tests/object.sh
SHELL_TESTS += tests/kernel-types.sh
SHELL_TESTS += tests/entry.sh
SHELL_TESTS += tests/interval.sh
SHELL_TESTS += tests/rest.sh
EXTRA_DIST += tests/rest
SHELL_TESTS += tests/samples-test.sh
EXTRA_DIST += tests/samples.sh tests/samples
SHELL_TESTS += tests/judging.sh
TIMED_TESTS += tests/workers.sh
SHELL_TESTS += tests/language.sh
SHELL_TESTS += tests/regex.sh
SHELL_TESTS += tests/procfs.sh
SHELL_TESTS += tests/write.sh
SHELL_TESTS += tests/functions.sh
SHELL_TESTS += tests/functions-kernel.sh
EXTRA_DIST += tests/functions
TIMED_TESTS += tests/scope.sh
TIMED_TESTS += tests/lua-states.sh tests/later-states.sh
EXTRA_DIST += tests/lua-states tests/workers
SHELL_TESTS += tests/signals.sh
SHELL_TESTS += tests/faults-kill.sh
SHELL_TESTS += tests/faults-limits.sh
SHELL_TESTS += tests/faults-lost.sh
SHELL_TESTS += tests/faults-cache.sh
EXTRA_DIST += tests/faults
SHELL_TESTS += tests/names.sh
TIMED_TESTS += tests/many.sh
SHELL_TESTS += tests/values.sh
SHELL_TESTS += tests/marks.sh
SHELL_TESTS += tests/plt.sh
SHELL_TESTS += tests/process-events.sh
SHELL_TESTS += tests/inline.sh
SHELL_TESTS += tests/onstack.sh
TIMED_TESTS += tests/overload.sh
EXTRA_DIST += tests/overload
SHELL_TESTS += tests/trace.sh
SHELL_TESTS += tests/kernel-functions.sh
SHELL_TESTS += tests/backtrace.sh
SHELL_TESTS += tests/symbol-names.sh tests/names-looked-at.sh
SHELL_TESTS += tests/ustack.sh
SHELL_TESTS += tests/gdb-stacks.sh
SHELL_TESTS += tests/probed-stacks.sh
SHELL_TESTS += tests/perf-shares.sh
SHELL_TESTS += tests/lua-c.sh
SHELL_TESTS += tests/lua-helpers.sh
EXTRA_DIST += tests/ustack tests/perf
SHELL_TESTS += tests/aliases.sh tests/sxx-modules.sh
EXTRA_DIST += tests/aliases
SHELL_TESTS += tests/syscalls.sh
EXTRA_DIST += tests/syscalls
SHELL_TESTS += tests/master.sh
SHELL_TESTS += tests/workers-events.sh

# The stap back end
UNIT_TOOLS += tests/unit/stap_module
UNIT_TESTS += tests/unit/stap_checked_test
SHELL_TESTS += tests/stap-build.sh
SHELL_TESTS += tests/stap.sh
EXTRA_DIST += tests/stap-ok tests/stap-ko
SHELL_TESTS += tests/judge.sh
SHELL_TESTS += tests/judge-kernel.sh
EXTRA_DIST += tests/judge

# Pictures and names
UNIT_TOOLS += tests/unit/lua_functions
UNIT_TESTS += tests/unit/lua_names_test
UNIT_TESTS += tests/unit/unwind_test
UNIT_TESTS += tests/unit/kept_test
SHELL_TESTS += tests/lua.sh
EXTRA_DIST += tests/lua
TIMED_TESTS += tests/flame.sh
TIMED_TESTS += tests/flame-events.sh
SHELL_TESTS += tests/off-cpu.sh
EXTRA_DIST += tests/flame
SHELL_TESTS += tests/out.sh
EXTRA_DIST += tests/out
SHELL_TESTS += tests/browser.sh
EXTRA_DIST += tests/browser.py
SHELL_TESTS += tests/speedscope.sh
SHELL_TESTS += tests/pprof.sh
EXTRA_DIST += tests/pprof.js

# "make -j2 check" runs two tests at a time. No two of a list that stands below do: each waits for
# those before it, as far as they run at all. Tests that measure processor time do it by the
# processes' own clocks, which bear one neighbour a processor; those that start containers share
# dockerd and podman.
TIMED_LOGS = $(TIMED_TESTS:.sh=.log)
CONTAINER_LOGS = tests/containers.log tests/docker-root.log tests/types.log tests/debian.log \
	tests/flame.log
before = $(if $(filter-out $(1),$(firstword $(2))),$(firstword $(2)) $(call \
	before,$(1),$(wordlist 2,$(words $(2)),$(2))))
.SECONDEXPANSION:
$(TIMED_LOGS): $$(filter $$(TEST_LOGS),$$(call before,$$@,$$(TIMED_LOGS)))
$(CONTAINER_LOGS): $$(filter $$(TEST_LOGS),$$(call before,$$@,$$(CONTAINER_LOGS)))

# What "make check-slow" runs: other people's programs, built with our patches; other userlands,
# container engines.
SLOW_TESTS = tests/slow/jail.sh tests/slow/stap-sysroot.sh tests/slow/package.sh \
	tests/slow/image.sh tests/slow/ages.sh tests/slow/embedders.sh tests/slow/latency.sh \
	tests/slow/layouts-made.sh tests/slow/nginx-options.sh
EXTRA_DIST += tests/slow patches/systemtap/sysroot.patch
# Both make the bundle.
tests/slow/image.log: $(filter tests/slow/package.log,$(TEST_LOGS))
.PHONY: check-slow
check-slow: ngstap
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(SLOW_TESTS)'

# What "make check-vm" runs: tests that boot other kernels in qemu, minutes each; the longest first,
# for -j2.
VM_TESTS = tests/vm/kernels.sh tests/vm/stap.sh tests/vm/backends.sh tests/vm/judge.sh \
	tests/vm/stap-probes.sh tests/vm/kernel-functions.sh tests/vm/harness.sh
EXTRA_DIST += tests/vm
.PHONY: check-vm
check-vm: ngstap
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(VM_TESTS)'
