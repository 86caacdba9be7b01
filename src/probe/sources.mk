ngstap_SOURCES += src/probe/probe.h
