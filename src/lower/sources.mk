ngstap_SOURCES += src/lower/lower.h
