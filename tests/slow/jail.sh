#!/bin/bash
# A reader that sleeps, or only talks, is ended by the clock, one that counts by its processor time:
# what takes minutes of tests/unit/jail_test. Prints TAP.
exec "${top_builddir:-.}/tests/unit/jail_test" --slow
