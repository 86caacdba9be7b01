ngstap_SOURCES += src/run/run.h
