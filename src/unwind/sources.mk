ngstap_SOURCES += \
	src/unwind/asked.c \
	src/unwind/eh_frame.c \
	src/unwind/file.c \
	src/unwind/kept.c \
	src/unwind/luajit.c \
	src/unwind/unwind.h
