ngstap_SOURCES += \
	src/cg/alloc.c \
	src/cg/asm.c src/cg/asm.h \
	src/cg/btf.c \
	src/cg/cg.c src/cg/cg.h \
	src/cg/context.c \
	src/cg/disasm.c \
	src/cg/elf.c src/cg/elf.h \
	src/cg/flow.c \
	src/cg/gen.h \
	src/cg/kernel.c \
	src/cg/lib.c src/cg/lib.h \
	src/cg/lib_fmt.c \
	src/cg/lib_shared.c \
	src/cg/lib_str.c \
	src/cg/map.c \
	src/cg/meta.c \
	src/cg/object.h \
	src/cg/ops.c \
	src/cg/stack.c \
	src/cg/str.c \
	src/cg/user.c
