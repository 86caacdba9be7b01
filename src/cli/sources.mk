ngstap_SOURCES += src/cli/main.c
