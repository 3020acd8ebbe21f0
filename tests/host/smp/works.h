/*
 * irq_work in the torture: sent from threads, handlers and NMIs, to this CPU and to others.
 */
#ifndef TESTS_HOST_SMP_WORKS_H
#define TESTS_HOST_SMP_WORKS_H

#include <stdint.h>

/* Before the others begin; and when all is quiet. */
void works_init(void);
void works_end(void);

/* Queues work for some CPU. Any context but NMI. */
void work_send(uint64_t *random);

/* Strikes some CPU with an NMI, which queues work there. Any context but NMI. */
void nmi_strike(uint64_t *random);

/* Fails if one was queued and did not run, or ran twice; all quiet. Returns how many ran. */
uint64_t works_verify(void);

#endif
