/*
 * The first and only program of the Linux that is compared with Nudge: loads the module, which
 * takes the figures of calls and wake-ups, takes those of system calls itself, and ends the machine
 * as Nudge does.
 */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULE     "/nudge_compare.ko"
#define PARAMETERS "/sys/module/nudge_compare/parameters/"
#define EXIT_PORT  0xf4
#define EXIT_PASS  0x10
#define EXIT_FAIL  0x11

static int log_file = -1;
static char **rows;

void say(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length > 0 && write(log_file, line, (size_t)length) != length)
		_exit(1);
}

static void __attribute__((noreturn)) end(uint8_t status)
{
	say("# verdict %s\n", status == EXIT_PASS ? "pass" : "fail");
	if (!ioperm(EXIT_PORT, 1, 1))
		outb(status, EXIT_PORT);
	reboot(RB_AUTOBOOT);
	_exit(1);
}

void die(const char *what)
{
	say("# compare: %s: %s\n", what, strerror(errno));
	end(EXIT_FAIL);
}

void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

unsigned int online_cpus(void)
{
	return (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
}

const char *module_parameter(const char *name)
{
	static char value[64];
	char path[sizeof(PARAMETERS) + 32];
	FILE *file;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	file = fopen(path, "r");
	if (!file || !fgets(value, sizeof(value), file))
		die(path);
	fclose(file);
	value[strcspn(value, "\n")] = 0;
	return value;
}

static bool wanted(const char *name)
{
	for (char **row = rows; *row; row++) {
		if (!strcmp(*row, name))
			return true;
	}
	return false;
}

/* The names as the module wants them: "rows=a,b". */
static char *module_words(void)
{
	static char words[4096] = "rows=";

	for (char **row = rows; *row; row++) {
		if (strlen(words) + strlen(*row) + 2 > sizeof(words)) {
			errno = E2BIG;
			die("the names of the rows");
		}
		strcat(words, *row);
		strcat(words, ",");
	}
	return words;
}

static void load_module(void)
{
	int file = open(MODULE, O_RDONLY | O_CLOEXEC);

	if (file < 0 || syscall(SYS_finit_module, file, module_words(), 0))
		die(MODULE);
	close(file);
}

static void mount_what_is_needed(void)
{
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		_exit(1);
	log_file = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (log_file < 0)
		_exit(1);
	if (mount("sys", "/sys", "sysfs", 0, NULL))
		die("/sys");
	if (mount("proc", "/proc", "proc", 0, NULL))
		die("/proc");
}

int main(int count, char **arguments)
{
	(void)count;
	rows = arguments + 1;
	mount_what_is_needed();
	pin(0);
	wait_for_rest();
	load_module();
	tlb_benches(wanted);
	end(EXIT_PASS);
}
