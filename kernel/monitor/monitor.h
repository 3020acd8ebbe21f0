/*
 * The prompt. A command is registered by the file that has it.
 */
#ifndef KERNEL_MONITOR_MONITOR_H
#define KERNEL_MONITOR_MONITOR_H

/* Thread context on the boot CPU. arguments is what follows the name, maybe "". */
struct command {
	const char *name, *help;
	void (*run)(const char *arguments);
};

#define COMMAND(command_name, text, function) \
	static const struct command command_##command_name = { #command_name, text, function }; \
	static const struct command *const command_pointer_##command_name \
		__attribute__((used, section(".commands." #command_name))) = \
			&command_##command_name

#endif
