/*
 * A bounded queue of pieces of text with many producers (after D. Vyukov's), and
 * whoever gets the devices as its consumer.
 *
 * A slot's turn counts what happened to it, in units of the queue's positions:
 *
 *   turn == position              free for the producer at that position
 *   turn == position + 1          filled, for the consumer at that position
 *   turn == position + SLOTS      free for the next round
 *
 * A producer interrupted between claiming and filling only delays the text behind
 * it. A consumer that lets the devices go looks once more afterwards; a producer
 * that found them taken published its piece before it looked. With a full fence
 * on both sides at least one of the two sees the other, so no text stays behind.
 */
#include <arch/cpu.h>
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/smp/cpu.h>
#include <kernel/smp/spinlock.h>
#include <lib/printf.h>
#include <lib/string.h>

#define SLOTS      128u
#define FULL_SPINS 100000000u /* until a stuck device counts as gone */

struct slot {
	_Atomic uint32_t turn;
	uint32_t length;
	char text[PRINTK_MAX];
};

static struct slot slots[SLOTS]; /* turn is kept minus the slot's number, so that 0 is right */
static _Atomic uint32_t tail;
static _Atomic uint32_t head; /* moved by the consumer only */
static struct spinlock devices;
static atomic_bool seized;
static _Atomic uint32_t lost;

static uint32_t turn_of(struct slot *slot, memory_order order)
{
	return atomic_load_explicit(&slot->turn, order) + (uint32_t)(slot - slots);
}

static void set_turn(struct slot *slot, uint32_t turn)
{
	atomic_store_explicit(&slot->turn, turn - (uint32_t)(slot - slots), memory_order_release);
}

/*
 * Acquire: the consumer is done with the slot's old text. Whoever claimed a slot is not
 * preempted before it is filled: the text behind it waits for that.
 */
static bool put_unpreempted(const char *text, size_t length)
{
	uint32_t position = atomic_load_explicit(&tail, memory_order_relaxed);
	struct slot *slot;

	for (;;) {
		int32_t behind;

		slot = &slots[position % SLOTS];
		behind = (int32_t)(turn_of(slot, memory_order_acquire) - position);
		if (behind < 0)
			return false;
		if (behind == 0 &&
		    atomic_compare_exchange_weak_explicit(&tail, &position, position + 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			break;
		if (behind > 0)
			position = atomic_load_explicit(&tail, memory_order_relaxed);
	}
	memcpy(slot->text, text, length);
	slot->length = (uint32_t)length;
	set_turn(slot, position + 1);
	return true;
}

static bool put(const char *text, size_t length)
{
	bool done;

	preempt_disable();
	done = put_unpreempted(text, length);
	preempt_enable();
	return done;
}

/* Acquire: pairs with the producer's set_turn. */
static bool ready(void)
{
	uint32_t position = atomic_load_explicit(&head, memory_order_relaxed);

	return turn_of(&slots[position % SLOTS], memory_order_acquire) == position + 1;
}

static void say_lost(void)
{
	char text[64];
	uint32_t count = atomic_exchange_explicit(&lost, 0, memory_order_relaxed);

	if (count)
		console_emit(text, (size_t)snprintf(text, sizeof(text),
						    "printk: %u pieces of text lost\n", count));
}

static void emit_one(void)
{
	uint32_t position = atomic_load_explicit(&head, memory_order_relaxed);
	struct slot *slot = &slots[position % SLOTS];

	if (slot->length <= PRINTK_MAX)
		console_emit(slot->text, slot->length);
	set_turn(slot, position + SLOTS);
	atomic_store_explicit(&head, position + 1, memory_order_relaxed);
}

static void drain(void)
{
	while (ready()) {
		if (!spin_trylock(&devices))
			return;
		while (ready())
			emit_one();
		say_lost();
		spin_unlock(&devices);
		atomic_thread_fence(memory_order_seq_cst);
	}
}

/* The panicking CPU alone runs; nobody will finish what is unfinished. */
static void drain_seized(void)
{
	while (atomic_load_explicit(&head, memory_order_relaxed) !=
	       atomic_load_explicit(&tail, memory_order_relaxed)) {
		if (!ready())
			slots[atomic_load_explicit(&head, memory_order_relaxed) % SLOTS].length = 0;
		emit_one();
	}
}

/* Does not wait: who has the devices now also shows what has come meanwhile. */
static void show(void)
{
	if (atomic_load_explicit(&seized, memory_order_relaxed)) {
		drain_seized();
		return;
	}
	atomic_thread_fence(memory_order_seq_cst);
	drain();
}

void printk_flush(void)
{
	uint32_t end = atomic_load_explicit(&tail, memory_order_relaxed);

	for (uint32_t spins = 0; spins < FULL_SPINS; spins++) {
		show();
		if ((int32_t)(atomic_load_explicit(&head, memory_order_relaxed) - end) >= 0)
			return;
		cpu_relax();
	}
}

void printk_seize(void)
{
	atomic_store_explicit(&seized, true, memory_order_relaxed);
	drain_seized();
}

void printk_raw(const char *text, size_t length)
{
	bool nmi = in_nmi();

	for (uint32_t spins = 0; !put(text, length); spins++) {
		if (nmi || spins == FULL_SPINS) {
			atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
			return;
		}
		show();
		cpu_relax();
	}
	/* In an NMI the interrupted code may be the consumer; it, or the next, will see. */
	if (!nmi || atomic_load_explicit(&seized, memory_order_relaxed))
		show();
}

static void print(const char *prefix, const char *format, va_list args, const char *suffix)
{
	char text[PRINTK_MAX];
	int used = snprintf(text, sizeof(text), "%s", prefix);
	size_t length;

	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	length = strlen(text);
	if (*suffix && length < sizeof(text) - 1)
		text[length++] = *suffix;
	printk_raw(text, length);
}

void __attribute__((format(printf, 1, 2))) printk(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print("", format, args, "");
	va_end(args);
}

void printk_line(const char *prefix, const char *format, va_list args)
{
	print(prefix, format, args, "\n");
}
