ngstap_SOURCES += src/stap/stap.h
