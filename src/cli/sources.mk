ngstap_SOURCES += \
	src/cli/agent.c \
	src/cli/apart.c src/cli/apart.h \
	src/cli/backend.c src/cli/backend.h \
	src/cli/command.c src/cli/command.h \
	src/cli/convert.c \
	src/cli/driver.c src/cli/driver.h \
	src/cli/fixluabt.c \
	src/cli/kconfig.c src/cli/kconfig.h \
	src/cli/flame.c src/cli/flame.h \
	src/cli/flame_options.c \
	src/cli/kept.c src/cli/kept.h \
	src/cli/limits.c src/cli/limits.h \
	src/cli/listing.c src/cli/listing.h \
	src/cli/main.c \
	src/cli/making.c src/cli/making.h \
	src/cli/option_table.c src/cli/option_table.h \
	src/cli/options.c src/cli/options.h \
	src/cli/pack.c \
	src/cli/picture.c src/cli/picture.h \
	src/cli/places.c src/cli/places.h \
	src/cli/push.c \
	src/cli/pushing.c src/cli/pushing.h \
	src/cli/script.c src/cli/script.h \
	src/cli/search.c src/cli/search.h \
	src/cli/subcommand.c src/cli/subcommand.h \
	src/cli/types.c \
	src/cli/windows.c src/cli/windows.h
