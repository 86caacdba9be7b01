ngstap_SOURCES += \
	src/stap/internal.h \
	src/stap/module.c \
	src/stap/names.c \
	src/stap/prelude.c \
	src/stap/script.c \
	src/stap/stap.h
