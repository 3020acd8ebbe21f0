/* The line that grows while CPUs come up. Boot CPU. */
#ifndef KERNEL_PROGRESS_H
#define KERNEL_PROGRESS_H

#include <stdint.h>

void progress_cpus(unsigned int online, unsigned int failed, unsigned int total);

/* TSC ticks from the loader's jump until all CPUs were online or given up. */
extern uint64_t progress_online_ticks;

/* Ends the line with how many came, how long it took, and who did not come. */
void progress_done(void);

#endif
