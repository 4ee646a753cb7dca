/* The limit: what two processes that only spawn and wait can do on this machine.
 *
 * usage: limit PROCESSES JOBS COMMAND [ARGUMENT...]
 *
 * Runs COMMAND JOBS times, shared evenly among PROCESSES processes, one at a time in each, with posix_spawn and
 * waitpid. Captures nothing and records nothing. Exits with 1 if any of them did not exit with 0.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int run(long jobs, char **argv)
{
    int failed = 0;
    for (long i = 0; i < jobs; i++) {
        pid_t pid;
        int status;
        int error = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
        if (error) {
            fprintf(stderr, "limit: %s: %s\n", argv[0], strerror(error));
            return 1;
        }
        while (waitpid(pid, &status, 0) < 0) {
            if (errno != EINTR) {
                perror("limit: waitpid");
                return 1;
            }
        }
        failed |= status != 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    long processes = argc > 3 ? atol(argv[1]) : 0;
    long jobs = argc > 3 ? atol(argv[2]) : 0;
    int failed = 0;
    if (processes < 1 || jobs < 1) {
        fprintf(stderr, "usage: limit PROCESSES JOBS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    for (long i = 0; i < processes; i++) {
        long share = jobs / processes + (i < jobs % processes);
        pid_t pid = fork();
        if (pid < 0) {
            perror("limit: fork");
            return 1;
        }
        if (pid == 0)
            _exit(run(share, argv + 3));
    }
    for (long i = 0; i < processes; i++) {
        int status;
        if (wait(&status) < 0 || status != 0)
            failed = 1;
    }
    return failed;
}
