ngstap_SOURCES += \
	src/load/account.c \
	src/load/advise.c \
	src/load/attach.c \
	src/load/btfcheck.c \
	src/load/clock.c \
	src/load/codecheck.c \
	src/load/event.c \
	src/load/follow.c src/load/follow.h \
	src/load/kernel_types.c src/load/kernel_types.h \
	src/load/kinds.c src/load/kinds.h \
	src/load/kprobe.c \
	src/load/layout.c \
	src/load/load.c src/load/load.h \
	src/load/missed.c \
	src/load/modules.c \
	src/load/nesting.c \
	src/load/object.c src/load/object.h \
	src/load/overload.c \
	src/load/peek.c src/load/peek.h \
	src/load/replaced.c \
	src/load/scope.c \
	src/load/session.h \
	src/load/spaces.c \
	src/load/stacks.c \
	src/load/syscall.c \
	src/load/tracepoint.c \
	src/load/track.c \
	src/load/uprobe.c \
	src/load/trap.c \
	src/load/verifier.c src/load/verifier.h
