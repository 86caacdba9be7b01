ngstap_SOURCES += \
	src/types/names.c \
	src/types/plan.c \
	src/types/print.c \
	src/types/types.h src/types/types_priv.h
