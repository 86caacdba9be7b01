ngstap_SOURCES += \
	src/arch/aarch64.c \
	src/arch/aarch64_operand.c \
	src/arch/aarch64_syscalls.c \
	src/arch/arch.c src/arch/arch.h \
	src/arch/hit.c src/arch/hit.h \
	src/arch/machines.h \
	src/arch/operand.c src/arch/operand.h \
	src/arch/x86_64.c \
	src/arch/x86_64_length.c \
	src/arch/x86_64_luajit.c \
	src/arch/x86_64_operand.c \
	src/arch/x86_64_syscalls.c
