/*
 * main: the entry point; everything it does is in driver.c.
 */
#include "cli/driver.h"

int main(int argc, char **argv)
{
    return driver_main(argc, argv);
}
