# The calls between CPUs as a program (tests/host/smp): the kernel's own sources, as they are, with
# tests/host/arch in place of arch/x86_64. Three builds: plain, and two with sanitizers.

HOST_SMP_KERNEL = $(sort $(wildcard kernel/smp/*.c)) kernel/time/tick.c kernel/sched/wake.c \
	$(filter-out kernel/mm/page_fault.c,$(sort $(wildcard kernel/mm/*.c))) \
	kernel/bootword.c kernel/warn.c lib/age.c lib/cpumask.c lib/glob.c
HOST_SMP_TESTS = $(addprefix tests/kernel/,smp_test.c queue_test.c many_test.c \
	many_errors_test.c async_test.c pool_test.c scheme_test.c scheme_wait_test.c \
	irq_work_test.c tick_test.c capture.c hold.c stuck.c \
	mm.c poison.c crew.c frames_test.c space.c space_test.c space_errors_test.c space_frames_test.c \
	tlb_test.c tlb_users_test.c cow_test.c stale.c stale_change.c stale_slot.c stale_test.c rival.c \
	shootdown_scheme_test.c shootdown_broadcast_test.c shootdown_deferred_test.c)
HOST_SMP_SOURCES = $(HOST_SMP_KERNEL) $(HOST_SMP_TESTS) \
	$(sort $(wildcard tests/schemes/*.c tests/host/smp/*.c))
HOST_SMP_BUILDS = plain asan tsan
HOST_SMP_PROGRAMS = $(HOST_SMP_BUILDS:%=$(O)/host/smp-%)

HOST_SMP_CFLAGS = -std=gnu11 -g $(WARNINGS) $(keep_order) -pthread \
	-Itests/host/arch -I. -Iarch/x86_64/include
HOST_SMP_plain = -O2
HOST_SMP_asan = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_SMP_tsan = -O1 -fsanitize=thread

define host_smp_build
$(O)/host-smp/$(1)/%.o: %.c Makefile tests/host/smp/host-smp.mk $(O)/compiler
	@mkdir -p $$(@D)
	@echo "  HOSTCC $$< ($(1))"
	@$$(CC) $$(HOST_SMP_CFLAGS) $$(HOST_SMP_$(1)) -MMD -MP -c $$< -o $$@

$(O)/host/smp-$(1): $$(HOST_SMP_SOURCES:%.c=$(O)/host-smp/$(1)/%.o) tests/host/smp/tests.ld
	@mkdir -p $$(@D)
	@echo "  HOSTLD $$@"
	@$$(CC) $$(HOST_SMP_CFLAGS) $$(HOST_SMP_$(1)) $$(filter %.o,$$^) \
		-Wl,-T,tests/host/smp/tests.ld -o $$@

-include $$(HOST_SMP_SOURCES:%.c=$(O)/host-smp/$(1)/%.d)
endef
$(foreach build,$(HOST_SMP_BUILDS),$(eval $(call host_smp_build,$(build))))

host-tests: $(HOST_SMP_PROGRAMS)

# What the rows host.smp.* of tests/platforms.txt run, without the rest of the matrix.
.PHONY: host-smp host-smp-long
host-smp: $(HOST_SMP_PROGRAMS)
	@for program in $^; do tests/host/smp/run $$program || exit 1; done
host-smp-long: $(HOST_SMP_PROGRAMS)
	@for program in $^; do tests/host/smp/run $$program 10 || exit 1; done
