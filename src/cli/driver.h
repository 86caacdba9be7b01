/*
 * driver: from the command line to the exit status.
 */
#ifndef CLI_DRIVER_H
#define CLI_DRIVER_H

/* Does what ARGV asks for. 0, or 1 after any error, as stap. */
int driver_main(int argc, char **argv);

#endif
