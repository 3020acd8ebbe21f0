/*
 * How the machine of threads speaks and fails. It stands in for the kernel's console, panic and
 * symbols.
 */
#include <arch/irq.h>
#include <arch/trap.h>
#include <kernel/console/console.h>
#include <kernel/console/printk.h>
#include <kernel/debug/symbols.h>
#include <kernel/debug/recorder.h>
#include <kernel/panic.h>
#include <kernel/smp/spinlock.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/smp/host.h>
#include <unistd.h>

static _Atomic(const char *) test_name = "start", test_again = "";
static atomic_flag failed = ATOMIC_FLAG_INIT;
static __thread bool is_failing;
static atomic_bool stalls_are_expected;

static struct console_device *listener;
static struct spinlock listening;

/* All of kernel/smp is between these in the kernel: who called it is looked for outside. */
extern const char smp_text_start[], smp_text_end[];
const char smp_text_start[1], smp_text_end[1];
const char ipi_text_start[1], ipi_text_end[1];

/* One write, so that no other thread's text comes between. */
static void __attribute__((format(printf, 2, 0)))
say(const char *prefix, const char *format, va_list arguments)
{
	char text[2 * PRINTK_MAX];
	int length = snprintf(text, PRINTK_MAX, "%s", prefix);

	length += vsnprintf(text + length, PRINTK_MAX, format, arguments);
	if (length > (int)sizeof(text) - 2)
		length = sizeof(text) - 2;
	if (text[length - 1] != '\n')
		text[length++] = '\n';
	if (write(STDOUT_FILENO, text, (size_t)length) < 0)
		_exit(1);
}

static void __attribute__((format(printf, 2, 3))) speak(const char *prefix, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(prefix, format, arguments);
	va_end(arguments);
}

void host_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("# ", format, arguments);
	va_end(arguments);
}

void host_now(const char *test, const char *again)
{
	atomic_store_explicit(&test_name, test, memory_order_relaxed);
	/* Release: pairs with the acquire in fail. */
	atomic_store_explicit(&test_again, again, memory_order_release);
	host_doing(test, 0);
}

/* Once: a sanitizer may find fault with the failing itself. */
static void __attribute__((noreturn)) fail(const char *prefix, const char *text)
{
	if (is_failing)
		_exit(1);
	is_failing = true;
	while (atomic_flag_test_and_set_explicit(&failed, memory_order_relaxed))
		pause();
	host_say("%s%s", prefix, text);
	host_say("again: %s", atomic_load_explicit(&test_again, memory_order_acquire));
	speak("not ok - ", "%s", atomic_load_explicit(&test_name, memory_order_relaxed));
	_exit(1);
}

void host_fail(const char *format, ...)
{
	char text[PRINTK_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fail("", text);
}

/* There is no flight recorder here. */
atomic_bool recorder_running;

void recorder_write_taken(const struct pt_regs *regs)
{
	(void)regs;
}

void panic(const char *format, ...)
{
	char text[PRINTK_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fail("PANIC: ", text);
}

/*
 * What the sanitizers ask a program for, by these names; there is no such function in a plain
 * build. A test that looks at another CPU's counters sees some value that was, which is enough.
 */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);
const char *__ubsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "halt_on_error=1";
}

const char *__tsan_default_suppressions(void)
{
	return "race:smp_counters\n";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}

static void on_sanitizer_report(void)
{
	host_fail("a sanitizer found the fault that is described above");
}

static void on_crash(int number)
{
	host_fail("killed by signal %d", number);
}

void host_catch_crashes(void)
{
	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(on_sanitizer_report);
		return;
	}
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
	signal(SIGABRT, on_crash);
}

void host_expect_stalls(bool expected)
{
	atomic_store_explicit(&stalls_are_expected, expected, memory_order_relaxed);
}

bool host_stalls_are_expected(void)
{
	return atomic_load_explicit(&stalls_are_expected, memory_order_relaxed);
}

/* One at a time, as the kernel's console hands text to its devices. */
static void hand_to_listener(const char *text, size_t length)
{
	unsigned long flags;

	if (!listener)
		return;
	flags = spin_lock_irqsave(&listening);
	listener->write(text, length);
	spin_unlock_irqrestore(&listening, flags);
}

void printk_raw(const char *text, size_t length)
{
	if (!host_stalls_are_expected() && !strncmp(text, "STALL", strlen("STALL")))
		host_fail("%.*s", (int)length, text);
	for (const char *line = text; line < text + length;) {
		const char *end = memchr(line, '\n', (size_t)(text + length - line));
		int size = (int)((end ? end : text + length) - line);

		host_say("%.*s", size - 2 * (*line == '#'), line + 2 * (*line == '#'));
		line += size + 1;
	}
	hand_to_listener(text, length);
}

void printk(const char *format, ...)
{
	char text[PRINTK_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	printk_raw(text, strlen(text));
}

void printk_line(const char *prefix, const char *format, va_list arguments)
{
	char text[PRINTK_MAX];

	vsnprintf(text, sizeof(text), format, arguments);
	printk("%s%s\n", prefix, text);
}

void printk_flush(void) {}

void console_add(struct console_device *device)
{
	listener = device;
}

void symbol_format(uint64_t address, bool returns, char *text, size_t size)
{
	(void)returns;
	snprintf(text, size, "[%#lx]", address);
}

const char *symbol_name(uint64_t address, char *text, size_t size)
{
	symbol_format(address, false, text, size);
	return text;
}

void backtrace_walk(uint64_t rip, uint64_t rbp, backtrace_visit *visit, void *context)
{
	(void)rbp;
	if (rip)
		visit(rip, false, context);
}

void backtrace_print(const struct pt_regs *regs)
{
	(void)regs;
}
