ngstap_SOURCES += src/target/dwarf.h src/target/target.h
