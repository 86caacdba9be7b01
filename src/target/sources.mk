ngstap_SOURCES += \
	src/target/asked.c \
	src/target/await.c \
	src/target/begins.c \
	src/target/caps.c \
	src/target/cgroup.c \
	src/target/container.c \
	src/target/demangle.c src/target/demangle.h \
	src/target/dynamic.c src/target/dynamic.h \
	src/target/elf.c src/target/elf.h \
	src/target/flat.c src/target/flat.h \
	src/target/kernel.c \
	src/target/ksyms.c src/target/ksyms.h \
	src/target/luajit.c src/target/luajit.h \
	src/target/marks.c src/target/marks.h \
	src/target/minidebug.c \
	src/target/module.c src/target/module.h \
	src/target/dt_needed.c src/target/dt_needed.h \
	src/target/overlay.c src/target/overlay.h \
	src/target/plt.c src/target/plt.h \
	src/target/pod.c \
	src/target/proc.c src/target/proc.h \
	src/target/process.c \
	src/target/symtab.c \
	src/target/sysroot.c \
	src/target/target.c src/target/target.h \
	src/target/worker_index.c \
	src/target/workers.c
