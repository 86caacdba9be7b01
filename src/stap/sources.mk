ngstap_SOURCES += \
	src/stap/build.c \
	src/stap/build.h \
	src/stap/cache.c \
	src/stap/checked.c \
	src/stap/child.c \
	src/stap/internal.h \
	src/stap/modinfo.c \
	src/stap/module.c \
	src/stap/names.c \
	src/stap/patch.c \
	src/stap/prelude.c \
	src/stap/run.c \
	src/stap/runtime.c \
	src/stap/script.c \
	src/stap/stap.h \
	src/stap/stub_elf.c \
	src/stap/toolchain.c \
	src/stap/tree.c
