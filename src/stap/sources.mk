ngstap_SOURCES += src/stap/stap.h src/stap/module.h \
	src/stap/build.c src/stap/cache.c src/stap/child.c src/stap/modinfo.c src/stap/patch.c src/stap/run.c \
	src/stap/runtime.c src/stap/toolchain.c
