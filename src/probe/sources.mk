ngstap_SOURCES += \
	src/probe/alias.c \
	src/probe/begin.c \
	src/probe/callee.c \
	src/probe/ifunc.c \
	src/probe/instance.c \
	src/probe/kernel.c \
	src/probe/listing.c \
	src/probe/mark.c \
	src/probe/module.c \
	src/probe/moved.c src/probe/moved.h \
	src/probe/paths.c \
	src/probe/place.c \
	src/probe/plt.c \
	src/probe/probe.h \
	src/probe/process.c src/probe/process.h \
	src/probe/process_event.c \
	src/probe/procfs.c \
	src/probe/spec.c \
	src/probe/statement.c \
	src/probe/syscall.c \
	src/probe/syscall_params.c \
	src/probe/table.c \
	src/probe/tables.h \
	src/probe/timer.c \
	src/probe/trace.c
