ngstap_SOURCES += \
	src/out/apart.c \
	src/out/events.c \
	src/out/file.c \
	src/out/flamegraph.c \
	src/out/folded.c \
	src/out/out.h \
	src/out/otlp.c \
	src/out/pprof.c src/out/pprof.h \
	src/out/pprof_read.c \
	src/out/protobuf.c src/out/protobuf.h \
	src/out/speedscope.c \
	src/out/stacks.c \
	src/out/table.c \
	src/out/text.c \
	src/out/tree.c src/out/tree.h

# The page's style and script as C strings.
BUILT_SOURCES += src/out/flamegraph_page.h
CLEANFILES += src/out/flamegraph_page.h
EXTRA_DIST += src/out/flamegraph.css src/out/flamegraph.js
src/out/flamegraph.$(OBJEXT): src/out/flamegraph_page.h
src/out/flamegraph_page.h: src/out/flamegraph.css src/out/flamegraph.js
	$(AM_V_GEN)$(MKDIR_P) src/out && for what in css js; do \
	    echo "static const char out_flamegraph_$$what[] ="; \
	    $(SED) -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $(srcdir)/src/out/flamegraph.$$what; \
	    echo ';'; \
	done >$@.new && mv $@.new $@
