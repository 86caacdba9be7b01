ngstap_SOURCES += \
	src/target/abi_args.c src/target/abi_args.h \
	src/target/btf.c \
	src/target/btf_decl.c \
	src/target/container.c \
	src/target/debugfile.c src/target/debugfile.h \
	src/target/debugimage.c \
	src/target/dwarf.c src/target/dwarf.h src/target/dwarf_priv.h \
	src/target/dwarf_cache.c \
	src/target/dwarf_decl.c \
	src/target/dwarf_func.c \
	src/target/dwarf_index.c src/target/index_format.h \
	src/target/dwarf_local.c \
	src/target/dwarf_member.c \
	src/target/dwarf_type.c \
	src/target/dwarf_var.c \
	src/target/elf.c src/target/elf_priv.h \
	src/target/entry.c \
	src/target/kernel.c \
	src/target/module.c \
	src/target/needed.c src/target/needed.h \
	src/target/overlay.c src/target/overlay.h \
	src/target/proc.c src/target/proc_priv.h \
	src/target/process.c \
	src/target/sysroot.c \
	src/target/target.h \
	src/target/workers.c
