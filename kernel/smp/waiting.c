/*
 * The wait-for graph: an edge from each CPU that waits.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/debug/symbols.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/waiting.h>
#include <lib/printf.h>

void waiting_begin(unsigned int cpu, uint64_t func)
{
	waiting_begin_range(cpu, func, 0, 0);
}

void waiting_begin_range(unsigned int cpu, uint64_t func, uint64_t start, uint64_t pages)
{
	struct waiting *waiting = &this_cpu->self->waiting;

	atomic_store_explicit(&waiting->start, start, memory_order_relaxed);
	atomic_store_explicit(&waiting->pages, pages, memory_order_relaxed);
	atomic_store_explicit(&waiting->func, func, memory_order_relaxed);
	atomic_store_explicit(&waiting->since, clock_ns(), memory_order_relaxed);
	/* Release: pairs with the acquire in waiting_look. */
	atomic_store_explicit(&waiting->target, cpu + 1, memory_order_release);
}

void waiting_end(void)
{
	atomic_store_explicit(&this_cpu->self->waiting.target, 0, memory_order_release);
}

/* Looked at twice: between two different waits the parts need not belong together. */
bool waiting_look(unsigned int cpu, struct wait_seen *seen)
{
	struct waiting *waiting = &cpus[cpu]->waiting;
	uint32_t target = atomic_load_explicit(&waiting->target, memory_order_acquire);

	if (!target)
		return false;
	seen->target = target - 1;
	seen->func = atomic_load_explicit(&waiting->func, memory_order_relaxed);
	seen->since = atomic_load_explicit(&waiting->since, memory_order_relaxed);
	seen->start = atomic_load_explicit(&waiting->start, memory_order_relaxed);
	seen->pages = atomic_load_explicit(&waiting->pages, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&waiting->target, memory_order_relaxed) == target;
}

const char *waiting_describe(const struct wait_seen *seen, char *text, size_t size)
{
	char func[80];

	symbol_name(seen->func, func, sizeof(func));
	if (seen->pages == WAIT_ALL_PAGES)
		snprintf(text, size, "%s(all pages)", func);
	else if (seen->pages)
		snprintf(text, size, "%s(%#lx, %lu page%s)", func, seen->start, seen->pages,
			 seen->pages == 1 ? "" : "s");
	else
		snprintf(text, size, "%s", func);
	return text;
}

struct graph {
	char *text;
	size_t size, used;
	unsigned int edges, left_out;
};

/* From the first that does not fit on they are only counted. */
static void add_edge(struct graph *graph, unsigned int from, unsigned int to)
{
	size_t room = graph->size - graph->used;
	int length = snprintf(graph->text + graph->used, room, "%s%u → %u",
			      graph->edges ? ", " : "", from, to);

	graph->edges++;
	if (graph->left_out || (size_t)length >= room)
		graph->left_out++;
	else
		graph->used += (size_t)length;
}

unsigned int waiting_format(unsigned int stuck, char *text, size_t size)
{
	struct graph graph = { .text = text, .size = size - sizeof(" and 1024 more") };

	for (int others = 0; others < 2; others++) {
		for_each_cpu(cpu, &cpu_online_mask) {
			struct wait_seen seen;

			if (waiting_look(cpu, &seen) && (seen.target != stuck) == others)
				add_edge(&graph, cpu, seen.target);
		}
	}
	if (graph.left_out)
		snprintf(text + graph.used, size - graph.used, " and %u more", graph.left_out);
	return graph.edges;
}
