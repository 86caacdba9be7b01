ngstap_SOURCES += \
	src/sema/addresses.c \
	src/sema/calls.c \
	src/sema/check.c \
	src/sema/component.c \
	src/sema/declared.c \
	src/sema/dwexpr.c \
	src/sema/entry.c \
	src/sema/env.c \
	src/sema/file_value.c \
	src/sema/format.c \
	src/sema/internal.h \
	src/sema/kernel_var.c \
	src/sema/location.c \
	src/sema/match.c \
	src/sema/names.c \
	src/sema/pointer_keys.c \
	src/sema/points.c \
	src/sema/pretty.c \
	src/sema/print_globals.c \
	src/sema/reads.c \
	src/sema/scope.c \
	src/sema/sema.c src/sema/sema.h \
	src/sema/set_globals.c \
	src/sema/stmts.c \
	src/sema/systemtap.c \
	src/sema/tapset.c \
	src/sema/tree.c \
	src/sema/types.c \
	src/sema/unread.c
