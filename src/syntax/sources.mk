ngstap_SOURCES += \
	src/syntax/ast.c src/syntax/ast.h \
	src/syntax/build.c src/syntax/build.h \
	src/syntax/cond.c \
	src/syntax/decl.c \
	src/syntax/feed.c \
	src/syntax/lex.l \
	src/syntax/parse.y \
	src/syntax/pp.c \
	src/syntax/print.c src/syntax/print.h \
	src/syntax/print_expr.c \
	src/syntax/syntax.c src/syntax/syntax.h \
	src/syntax/token.h
BUILT_SOURCES += src/syntax/parse.h
