# What "make check" runs.
TESTS += tests/docker-root.sh tests/known-answer.sh
EXTRA_DIST += tests/docker-root.sh tests/known-answer.sh tests/targets
