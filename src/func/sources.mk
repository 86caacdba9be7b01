ngstap_SOURCES += src/func/func.h
