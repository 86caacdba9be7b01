ngstap_SOURCES += \
	src/lua/builtin.c \
	src/lua/functions.c \
	src/lua/lex.c src/lua/lex.h \
	src/lua/libinit.c src/lua/libinit.h \
	src/lua/lua.h \
	src/lua/names.c \
	src/lua/nginx.c src/lua/nginx.h \
	src/lua/place.c
