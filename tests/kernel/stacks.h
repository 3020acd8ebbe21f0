/*
 * Stacks of threads, made before frames are counted.
 */
#ifndef TESTS_KERNEL_STACKS_H
#define TESTS_KERNEL_STACKS_H

/*
 * A thread's stack is kept for the next one. So that what counts frames does not depend on what
 * ran before it, those that give each CPU a piece of work are made now. Boot CPU, no work is
 * under way.
 */
void make_work_stacks(void);

#endif
