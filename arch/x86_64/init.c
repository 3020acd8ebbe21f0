/*
 * The small steps of booting that belong to no device: memory found, stacks,
 * consoles, command lines.
 */
#include "acpi.h"
#include "cpu_features.h"
#include "fw_cfg.h"
#include "paging.h"
#include "ps2.h"
#include "serial.h"
#include "tables_load.h"
#include <arch/cpu.h>
#include <arch/init.h>
#include <arch/machine.h>
#include <arch/mm.h>
#include <arch/time.h>
#include <boot/boot_info.h>
#include <boot/entry.h>
#include <kernel/console/console.h>
#include <kernel/console/framebuffer.h>
#include <kernel/console/printk.h>
#include <kernel/mm/frames.h>
#include <kernel/panic.h>
#include <kernel/smp/cpu.h>
#include <lib/errno.h>
#include <lib/printf.h>

#define KERNEL_LOAD  0x200000ull
#define CMDLINE_FILE "opt/nudge/cmdline"

#define EBDA_LOWEST     0x20000 /* below that there was never one */
#define BASE_MEMORY_END 0xa0000

extern const char kernel_end[], boot_stack[], boot_stack_top[];

static struct console_device serial = {
	.name = "serial",
	.write = serial_write,
	.getc = serial_getc,
};

static struct console_device keyboard = { .name = "keyboard", .getc = ps2_getc };

void arch_early_console(void)
{
	if (serial_probe())
		console_add(&serial);
}

/* Half of the boot stack serves until there are others: an NMI does not wait for them. */
static void lend_ist_stacks(void)
{
	for (unsigned int ist = 0; ist < IST_COUNT; ist++)
		boot_cpu.arch.tables.tss.ist[ist] = (uint64_t)boot_stack + BOOT_STACK_SIZE / 2;
}

void arch_early_traps(void)
{
	boot_cpu.arch.tables.stack_top = (uint64_t)boot_stack_top;
	lend_ist_stacks();
	cpu_features_init();
	idt_init();
	idt_load();
	tables_load(&boot_cpu);
}

static uint64_t end_of(const struct boot_region *region)
{
	return region->base + region->length;
}

/*
 * From the extended BIOS data area to the end of base memory all is the BIOS's, and not
 * every BIOS says so in its memory map. Under UEFI the word may be anything: what cannot
 * be is not believed.
 */
static void reserve_bios_data(void)
{
	uint64_t ebda = (uint64_t) * (const uint16_t *)phys_to_virt(EBDA_SEGMENT) << 4;

	if (ebda >= EBDA_LOWEST && ebda < BASE_MEMORY_END)
		frames_reserve(ebda, BASE_MEMORY_END - ebda);
}

void arch_memory_found(void)
{
	if (boot_info.problem[0])
		printk("boot: %s\n", boot_info.problem);
	if (!boot_info.regions)
		panic("boot: the loader gave no memory map");
	for (unsigned int i = 0; i < boot_info.regions; i++) {
		const struct boot_region *region = &boot_info.region[i];

		if (end_of(region) < region->base || end_of(region) > DIRECT_MAP_SIZE)
			printk("mm: impossible memory region %#lx + %#lx ignored\n", region->base,
			       region->length);
		else if (region->type == BOOT_MEMORY_USABLE)
			frames_add(region->base, region->length);
	}
	/* Where the firmware lists a place twice, the stricter word counts. */
	for (unsigned int i = 0; i < boot_info.regions; i++) {
		if (boot_info.region[i].type != BOOT_MEMORY_USABLE)
			frames_reserve(boot_info.region[i].base, boot_info.region[i].length);
	}
	for (unsigned int i = 0; i < boot_info.modules; i++)
		frames_reserve(boot_info.module[i].base, boot_info.module[i].length);
	reserve_bios_data();
	frames_reserve(KERNEL_LOAD, virt_to_phys(kernel_end) - KERNEL_LOAD);
}

int tables_alloc_stacks(struct cpu *cpu)
{
	for (unsigned int ist = 0; ist < IST_COUNT; ist++) {
		void *top = arch_alloc_stack(IST_STACK_SIZE);

		if (!top)
			return -ENOMEM;
		cpu->arch.tables.tss.ist[ist] = (uint64_t)top;
	}
	return 0;
}

void arch_boot_cpu_stacks(void (*next)(void))
{
	void *stack = arch_alloc_stack(KERNEL_STACK_SIZE);

	if (!stack || tables_alloc_stacks(&boot_cpu))
		panic("mm: no memory for the boot CPU's stacks");
	boot_cpu.arch.tables.stack_top = (uint64_t)stack;
	cpu_switch_stack(stack, next);
}

void arch_late_console(void)
{
	const struct boot_framebuffer *fb = &boot_info.framebuffer;
	struct fb_info info = {
		.width = fb->width,
		.height = fb->height,
		.pitch = fb->pitch,
		.bpp = fb->bpp,
		.red_pos = fb->red_pos,
		.red_size = fb->red_size,
		.green_pos = fb->green_pos,
		.green_size = fb->green_size,
		.blue_pos = fb->blue_pos,
		.blue_size = fb->blue_size,
	};

	if (fb->base)
		info.base = arch_map_device(fb->base, (uint64_t)fb->pitch * fb->height,
					    MAP_WRITE | MAP_WRITE_COMBINING);
	if (info.base)
		framebuffer_start(&info);
	if (ps2_probe())
		console_add(&keyboard);
}

const char *arch_command_line(unsigned int index, const char **source)
{
	static char from_fw_cfg[BOOT_TEXT];

	if (index == 0) {
		*source = "loader";
		return boot_info.cmdline;
	}
	if (index > 1)
		return NULL;
	*source = "fw_cfg";
	fw_cfg_read(CMDLINE_FILE, from_fw_cfg, sizeof(from_fw_cfg) - 1);
	if (fw_cfg_size(CMDLINE_FILE) >= sizeof(from_fw_cfg))
		printk("boot: fw_cfg's %s has over %zu bytes, the rest is left out\n", CMDLINE_FILE,
		       sizeof(from_fw_cfg) - 1);
	return from_fw_cfg;
}

uint64_t arch_ticks_since_entry(void)
{
	return cycles() - boot_info.entry_ticks;
}

const char *arch_firmware(void)
{
	static char text[96];

	snprintf(text, sizeof(text), "%s%s%s", boot_info.protocol, boot_info.loader[0] ? ", " : "",
		 boot_info.loader);
	return text;
}
