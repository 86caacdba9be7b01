ngstap_SOURCES += \
	src/base/abi.h \
	src/base/attach_kind.c src/base/attach_kind.h \
	src/base/arena.c src/base/arena.h \
	src/base/bounds.c src/base/bounds.h \
	src/base/bounds_file.c \
	src/base/bytes.h \
	src/base/cachedir.c src/base/cachedir.h \
	src/base/cachefile.c src/base/cachefile.h \
	src/base/clean.c src/base/clean.h \
	src/base/clock.h \
	src/base/compile.h \
	src/base/conversion.c src/base/conversion.h \
	src/base/descriptors.c src/base/descriptors.h \
	src/base/diag.c src/base/diag.h \
	src/base/file.c src/base/file.h \
	src/base/interrupt.c src/base/interrupt.h \
	src/base/source.c src/base/source.h \
	src/base/whole.c src/base/whole.h
