ngstap_SOURCES += \
	src/debug/abi_aapcs64.c \
	src/debug/abi_args.c src/debug/abi_args.h \
	src/debug/abi_place.c \
	src/debug/abi_x86_64.c \
	src/debug/btf.c src/debug/btf_priv.h \
	src/debug/btf_decl.c \
	src/debug/btf_func.c \
	src/debug/btf_trace.c \
	src/debug/btf_type.c \
	src/debug/cfi.c \
	src/debug/debug.c src/debug/debug.h \
	src/debug/debugfile.c src/debug/debugfile.h \
	src/debug/debugimage.c \
	src/debug/debuginfod.c \
	src/debug/dwarf.c src/debug/dwarf_priv.h \
	src/debug/dwarf_cache.c \
	src/debug/dwarf_call.c \
	src/debug/dwarf_decl.c \
	src/debug/dwarf_die.c \
	src/debug/dwarf_func.c \
	src/debug/dwarf_index.c src/debug/index_format.h \
	src/debug/dwarf_inline.c \
	src/debug/dwarf_line.c \
	src/debug/dwarf_local.c \
	src/debug/dwarf_member.c \
	src/debug/dwarf_type.c \
	src/debug/dwarf_var.c \
	src/debug/entry.c \
	src/debug/function.c \
	src/debug/layout.c src/debug/layout.h \
	src/debug/layout_list.c \
	src/debug/layout_luajit.c src/debug/layout_luajit.h \
	src/debug/layout_nginx.c src/debug/layout_nginx.h \
	src/debug/layout_parts.c \
	src/debug/layout_rows.c \
	src/debug/library.c src/debug/library.h \
	src/debug/module.c \
	src/debug/pack.c src/debug/pack.h \
	src/debug/pack_dwarf.c \
	src/debug/pack_elf.c \
	src/debug/pack_layout.c \
	src/debug/pack_place.c \
	src/debug/pack_same.c \
	src/debug/pack_tree.c \
	src/debug/source.h \
	src/debug/type.c
