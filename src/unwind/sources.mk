ngstap_SOURCES += \
	src/unwind/eh_frame.c \
	src/unwind/file.c \
	src/unwind/unwind.h
