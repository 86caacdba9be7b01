ngstap_SOURCES += \
	src/push/http.c src/push/http.h \
	src/push/labels.c \
	src/push/push.c src/push/push.h \
	src/push/receiver.h \
	src/push/receivers.c \
	src/push/saved.c \
	src/push/words.c
