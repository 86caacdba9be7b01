ngstap_SOURCES += \
	src/cg/alloc.c src/cg/alloc.h \
	src/cg/arith.c \
	src/cg/asm.c src/cg/asm.h \
	src/cg/body.c src/cg/body.h \
	src/cg/btf.c \
	src/cg/cg.c src/cg/cg.h \
	src/cg/cold.c src/cg/cold.h \
	src/cg/context.c \
	src/cg/disasm.c \
	src/cg/elf.c src/cg/elf.h \
	src/cg/emit.h \
	src/cg/gen.h \
	src/cg/graph.c src/cg/graph.h \
	src/cg/kernel_program.c \
	src/cg/lib/bridge.c \
	src/cg/lib/call.c src/cg/lib/library.h \
	src/cg/lib/common.c src/cg/lib/lib.h \
	src/cg/lib/fmt.c \
	src/cg/lib/make.c \
	src/cg/lib/process.c \
	src/cg/lib/read.c \
	src/cg/lib/record.c \
	src/cg/lib/replaced.c \
	src/cg/lib/shared.c \
	src/cg/lib/spend.c \
	src/cg/lib/stack.c \
	src/cg/lib/str.c \
	src/cg/lib/text.c \
	src/cg/lib/unwind.c src/cg/lib/unwind.h \
	src/cg/map.c \
	src/cg/meta.c src/cg/meta.h \
	src/cg/object.h \
	src/cg/onstack.c src/cg/onstack.h \
	src/cg/ops.c src/cg/ops.h \
	src/cg/program.h \
	src/cg/read.c \
	src/cg/record.c \
	src/cg/registers.c src/cg/registers.h \
	src/cg/rodata.c src/cg/rodata.h \
	src/cg/stack.c \
	src/cg/str.c \
	src/cg/syscall.c src/cg/syscall.h \
	src/cg/unit.c src/cg/unit.h \
	src/cg/user.c \
	src/cg/user_program.c \
	src/cg/variables.c \
	src/cg/walk.c
