ngstap_SOURCES += \
	src/ir/bind.c \
	src/ir/build.c \
	src/ir/inline.c \
	src/ir/ir.h \
	src/ir/layout.c \
	src/ir/print.c \
	src/ir/share.c \
	src/ir/simplify.c \
	src/ir/verify.c
