/*
 * What of <lib/cpumask.h> is not inlined everywhere, once.
 */
#include <lib/cpumask.h>

extern inline unsigned int cpumask_next(const struct cpumask *mask, unsigned int cpu);
extern inline uint64_t cpumask_word(const struct cpumask *mask, unsigned long index);
