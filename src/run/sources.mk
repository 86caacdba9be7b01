run_sources = \
	src/run/arrays.c \
	src/run/commands.c \
	src/run/error.c \
	src/run/expand.c \
	src/run/files.c src/run/files.h \
	src/run/foreach.c \
	src/run/format.c \
	src/run/gather.c src/run/gather.h \
	src/run/handler.c \
	src/run/helpers.c src/run/helpers.h \
	src/run/hist.c \
	src/run/interp.c src/run/interp.h \
	src/run/loop.c \
	src/run/maps.c src/run/maps.h \
	src/run/memory.c \
	src/run/operands.c \
	src/run/output.c \
	src/run/print.c \
	src/run/record.c src/run/record.h \
	src/run/report.c \
	src/run/rest.c \
	src/run/run.h \
	src/run/running.c src/run/running.h \
	src/run/shared.c \
	src/run/signals.c \
	src/run/state.c src/run/state.h \
	src/run/symbols.c src/run/symbols.h \
	src/run/text.c src/run/text.h \
	src/run/timers.c src/run/timers.h \
	src/run/ucall.c \
	src/run/value.c src/run/value.h \
	src/run/warn.c
ngstap_SOURCES += $(run_sources)
