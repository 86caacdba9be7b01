ngstap_SOURCES += \
	src/sxx/line.c src/sxx/line.h \
	src/sxx/spell.c src/sxx/spell.h \
	src/sxx/sxx.c src/sxx/sxx.h \
	src/sxx/vars.c src/sxx/vars.h
