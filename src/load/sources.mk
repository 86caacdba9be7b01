ngstap_SOURCES += src/load/load.h
