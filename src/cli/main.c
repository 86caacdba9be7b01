/*
 * main: the entry point; everything it does is in driver.c.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    fprintf(stderr, "ngstap: not built yet\n");
    return 1;
}
