ngstap_SOURCES += \
	src/func/context.c \
	src/func/control.c \
	src/func/family.h \
	src/func/func.h \
	src/func/memory.c \
	src/func/string.c \
	src/func/symbol.c \
	src/func/table.c
