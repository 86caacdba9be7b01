ngstap_SOURCES += \
	src/lua/functions.c \
	src/lua/lex.c src/lua/lex.h \
	src/lua/lua.h \
	src/lua/text.c
