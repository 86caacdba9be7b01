run_sources = \
	src/run/format.c \
	src/run/hist.c \
	src/run/interp.c src/run/interp.h \
	src/run/run.h \
	src/run/text.c src/run/text.h
ngstap_SOURCES += $(run_sources)
