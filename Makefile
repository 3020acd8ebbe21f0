# Nudge. `make run` and `make test` work as the first command on a fresh machine.

# DEBUG=1: checks of every lock, and where preemption is held off; in a folder of its own.
DEBUG ?=
O ?= build$(DEBUG:1=/debug)
CC = gcc
NM = nm
OBJCOPY = objcopy

SMP ?= 4
CPU ?= max
FIRMWARE ?= bios
CMDLINE ?=

COMMIT := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH ?= $(EPOCH)

# Small, but where the paths of calls, wake-ups and shootdowns lie, and what measures them.
SPEED = -Os
HOT = kernel/smp/call kernel/smp/many kernel/smp/queue kernel/smp/vectors kernel/sched/sched \
	kernel/sched/wake kernel/mm/shootdown kernel/mm/tlb_target kernel/mm/aspace_lock kernel/mm/change
WARNINGS = -Wall -Wextra -Werror -Wshadow -Wundef -Wmissing-prototypes -Wstrict-prototypes -Wvla
# Null pointers may be followed: this_cpu is address 0 of GS. Without that flag gcc takes a function
# that only writes there for one that does nothing, and leaves its calls out.
CFLAGS = -std=gnu11 $(SPEED) -g -ffreestanding $(WARNINGS) \
	-m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie \
	-fno-stack-protector -fno-delete-null-pointer-checks -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-omit-frame-pointer -momit-leaf-frame-pointer -fno-strict-aliasing -fno-common -fno-builtin-printf \
	-ffile-prefix-map=$(CURDIR)=.
CPPFLAGS = -I. -Iarch/x86_64/include $(if $(DEBUG),-DDEBUG_BUILD=1)
# No SSE, so nothing needs a stack aligned to more than a word. gcc's name, clang's name.
stack_alignment := $(shell $(CC) -Werror -mgeneral-regs-only -mpreferred-stack-boundary=3 -xc -c \
	/dev/null -o /dev/null 2>/dev/null && echo -mpreferred-stack-boundary=3 || \
	echo -mstack-alignment=8)
CFLAGS += $(stack_alignment)
no_padding := $(shell $(CC) -Werror -fno-align-jumps -xc -c /dev/null -o /dev/null 2>/dev/null && \
	echo -fno-align-functions -fno-align-jumps -fno-align-loops)
LDFLAGS = -m64 -nostdlib -static -Wl,-T,linker.ld -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments

SOURCES := $(sort $(wildcard lib/*.c boot/*.[cS] arch/x86_64/*.[cS] kernel/*.c kernel/*/*.[cS] \
	tests/kernel/*.c tests/bench/*.c tests/schemes/*.c tests/torture/*.c))
ifndef DEBUG
SOURCES := $(filter-out kernel/debug/lock_order.c kernel/debug/balance.c,$(SOURCES))
endif
OBJECTS := $(addsuffix .o,$(basename $(SOURCES:%=$(O)/obj/%)))

.PHONY: all deps run test check bench bench-accept compare lint usb gdb host-tests clean print-cflags FORCE
all: $(O)/nudge.elf $(O)/nudge.iso

# What is made again when it changes: all objects with the compiler, by name or version, and the
# one that says the commit with that.
compiler := $(CC) $(shell $(CC) --version 2>/dev/null | head -n 1)
$(O)/commit: stamp = $(COMMIT)
$(O)/compiler: stamp = $(compiler)
$(O)/commit $(O)/compiler: FORCE
	@mkdir -p $(@D)
	@echo '$(stamp)' | cmp -s - $@ || echo '$(stamp)' > $@
$(O)/obj/kernel/version.o: $(O)/commit
$(O)/obj/kernel/version.o: CPPFLAGS += -DNUDGE_COMMIT='"$(COMMIT)"'

$(O)/font.psf: tools/font
	@mkdir -p $(@D)
	@tools/font --extract "$$(tools/font $(FONT))" $@
$(O)/obj/kernel/console/font.o: $(O)/font.psf
$(O)/obj/kernel/console/font.o: CPPFLAGS += -DFONT_FILE='"$(O)/font.psf"'

# Tests run in the order in which they stand in their file.
keep_order := $(shell $(CC) -Werror -fno-toplevel-reorder -xc -c /dev/null -o /dev/null 2>/dev/null \
	&& echo -fno-toplevel-reorder)
$(O)/obj/tests/%.o: CFLAGS += $(keep_order)
$(HOT:%=$(O)/obj/%.o) $(O)/obj/tests/%.o: SPEED = -O2 $(no_padding)

$(O)/obj/%.o: %.c Makefile $(O)/compiler
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c $< -o $@

$(O)/obj/%.o: %.S Makefile $(O)/compiler
	@mkdir -p $(@D)
	@echo "  AS  $<"
	@$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c $< -o $@

# Linked twice: the symbol table is made from the first and does not move the text.
$(O)/symbols-none.S: tools/symbols
	@mkdir -p $(@D)
	@tools/symbols > $@
$(O)/symbols.S: $(O)/first.elf tools/symbols
	@NM=$(NM) tools/symbols $< > $@
$(O)/symbols%o: $(O)/symbols%S
	@$(CC) -c $< -o $@
$(O)/first.elf: $(OBJECTS) $(O)/symbols-none.o linker.ld
	@$(CC) $(LDFLAGS) $(OBJECTS) $(O)/symbols-none.o -o $@
$(O)/nudge.elf: $(OBJECTS) $(O)/symbols.o linker.ld
	@echo "  LD  $@"
	@$(CC) $(LDFLAGS) $(OBJECTS) $(O)/symbols.o -o $@

$(O)/nudge.iso: $(O)/nudge.elf iso/grub.cfg tools/mkiso
	@tools/mkiso $< $@ $(SOURCE_DATE_EPOCH)
	@echo "  ISO $@ ($$(du -h --apparent-size $@ | cut -f1))"

deps:
	@tools/deps all

# The first command on a fresh machine: fetch what is missing, then build.
need-%:
	@tools/deps --check $* || tools/deps $*

run: need-run
	@$(MAKE) --no-print-directory all
	@tests/run --interactive --image $(O)/nudge.iso --smp $(SMP) --cpu $(CPU) \
		--firmware $(FIRMWARE) -- $(CMDLINE)

# Built by all cores, unless whoever calls make said how many.
jobs = $(if $(findstring j,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),,-j$(shell nproc))

test: need-test
	@$(MAKE) --no-print-directory $(jobs) all host-tests
	@O=$(O) tests/matrix

check: need-all
	@$(MAKE) --no-print-directory $(jobs) all host-tests
	@O=$(O) tests/matrix --full

# Plants one small bug after another: each must be noticed by the test that it names.
.PHONY: mutants
mutants: need-test
	@tests/mutants/run

bench: need-test
	@$(MAKE) --no-print-directory all
	@O=$(O) tests/bench/bench --repeat

# Makes today's figures the ones that later changes are held against.
bench-accept: need-test
	@$(MAKE) --no-print-directory all
	@O=$(O) tests/bench/bench --accept --repeat

# Linux beside it: Debian's kernel is fetched into the build folder, not installed.
compare: need-compare
	@$(MAKE) --no-print-directory all
	@O=$(O) tests/compare/compare

lint: need-lint
	@O=$(O) MAKE='$(MAKE)' tools/lint

usb: all
	@tools/usb $(DEV) $(O)/nudge.iso

gdb: $(O)/nudge.elf
	@tools/gdb $(O)/nudge.elf $(SMP) $(CMDLINE)

# Plain C of the kernel, run on the machine that builds it, under sanitizers.
HOST_CFLAGS = -std=gnu11 $(WARNINGS) -O1 -g -fsanitize=address,undefined \
	-fno-sanitize-recover=all -I. -Iarch/x86_64/include
HOST_TESTS := $(patsubst tests/host/%.c,$(O)/host/%,$(wildcard tests/host/test_*.c tests/host/fuzz_*.c))
host-tests: $(HOST_TESTS)
$(O)/host/%: tests/host/%.c Makefile $(O)/compiler
	@mkdir -p $(@D)
	@echo "  HOSTCC $<"
	@$(CC) $(HOST_CFLAGS) -MMD -MP -MT $@ -MF $@.d $< -o $@

include tests/host/smp/host-smp.mk

compile_commands.json: Makefile
	@tools/compile-commands '$(CC) $(CFLAGS) $(CPPFLAGS)' $(SOURCES) > $@

clean:
	rm -rf $(O)

print-cflags:
	@echo $(CFLAGS) $(CPPFLAGS)

-include $(OBJECTS:.o=.d) $(HOST_TESTS:=.d)
