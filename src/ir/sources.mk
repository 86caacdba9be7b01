ngstap_SOURCES += \
	src/ir/bind.c \
	src/ir/build.c \
	src/ir/copy.c \
	src/ir/held.c \
	src/ir/inline.c \
	src/ir/ir.h \
	src/ir/layout.c \
	src/ir/live.c src/ir/live.h \
	src/ir/print.c \
	src/ir/reach.c \
	src/ir/rest.c src/ir/rest.h \
	src/ir/share.c \
	src/ir/simplify.c \
	src/ir/sparse.c \
	src/ir/trace.c \
	src/ir/verify.c
