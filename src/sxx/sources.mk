ngstap_SOURCES += src/sxx/sxx.h
