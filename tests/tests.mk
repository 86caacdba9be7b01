# What "make check" runs.
