ngstap_SOURCES += \
	src/probe/begin.c \
	src/probe/ifunc.c \
	src/probe/location.c \
	src/probe/module.c \
	src/probe/probe.h \
	src/probe/process.c \
	src/probe/rows.h \
	src/probe/table.c \
	src/probe/timer.c \
	src/probe/tree.c
