ngstap_SOURCES += src/ir/ir.h
