ngstap_SOURCES += \
	src/agent/agent.c src/agent/agent.h \
	src/agent/budget.c src/agent/budget.h \
	src/agent/conf.c src/agent/conf.h \
	src/agent/fleet.c \
	src/agent/group.c src/agent/group.h \
	src/agent/internal.h \
	src/agent/log.c \
	src/agent/match.c src/agent/match.h \
	src/agent/metrics.c src/agent/metrics.h \
	src/agent/reload.c \
	src/agent/report.c \
	src/agent/scan.c src/agent/scan.h \
	src/agent/send.c \
	src/agent/session.c src/agent/session.h \
	src/agent/spool.c src/agent/spool.h
