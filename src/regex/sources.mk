ngstap_SOURCES += \
	src/regex/dfa.c \
	src/regex/internal.h \
	src/regex/parse.c \
	src/regex/regex.h
