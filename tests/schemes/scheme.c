/*
 * The schemes that there are, and who of them has the vector.
 */
#include <arch/ipi.h>
#include <arch/irq.h>
#include <arch/time.h>
#include <kernel/smp/call.h>
#include <kernel/smp/stall.h>
#include <lib/errno.h>
#include <stddef.h>
#include <tests/schemes/scheme.h>
#include <tests/schemes/turn.h>

const struct call_scheme queue_scheme = {
	.name = "queue",
	.single = smp_call_function_single,
	.many = smp_call_function_many,
	.anywhere = true,
};

const struct call_scheme *const call_schemes[] = {
	&queue_scheme, &message_scheme, &table_scheme, &mailbox_scheme, NULL,
};

static const struct call_scheme *used;

/* An IPI that came when its handler is gone would be lost, and the next one's mistaken for it. */
static bool becomes_quiet(const struct call_scheme *scheme)
{
	uint64_t start = clock_ns();

	while (scheme->is_quiet && !scheme->is_quiet()) {
		if (clock_ns() - start > stall_deadline_ns())
			return false;
		cpu_relax();
	}
	return true;
}

int call_scheme_use(const struct call_scheme *scheme)
{
	if (used && used->on_ipi) {
		if (!becomes_quiet(used))
			return -EBUSY;
		irq_register(EXAMPLE_VECTOR, NULL);
	}
	used = NULL;
	if (scheme && scheme->on_ipi && irq_register(EXAMPLE_VECTOR, scheme->on_ipi))
		return -EBUSY;
	if (scheme && scheme->turn)
		atomic_store_explicit(&scheme->turn->holder, TURN_FREE, memory_order_relaxed);
	used = scheme;
	return 0;
}
