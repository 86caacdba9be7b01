ngstap_SOURCES += src/sema/sema.h
