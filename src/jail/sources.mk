ngstap_SOURCES += \
	src/jail/broker.c src/jail/broker.h \
	src/jail/channel.c src/jail/channel.h \
	src/jail/client.c src/jail/client.h \
	src/jail/filter.c src/jail/filter.h \
	src/jail/jail.c src/jail/jail.h \
	src/jail/lock.c \
	src/jail/policy.c \
	src/jail/relay.c src/jail/relay.h
