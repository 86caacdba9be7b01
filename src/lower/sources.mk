ngstap_SOURCES += \
	src/lower/bytes.c \
	src/lower/expr.c \
	src/lower/internal.h \
	src/lower/lower.c src/lower/lower.h \
	src/lower/stmt.c \
	src/lower/text.c
