ngstap_SOURCES += \
	src/cg/btf.c \
	src/cg/cg.h \
	src/cg/elf.c src/cg/elf.h \
	src/cg/object.h
