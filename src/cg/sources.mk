ngstap_SOURCES += src/cg/cg.h src/cg/object.h
