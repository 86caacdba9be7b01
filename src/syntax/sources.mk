ngstap_SOURCES += src/syntax/ast.h src/syntax/syntax.h
