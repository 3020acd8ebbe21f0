/*
 * Where the hardware enters the kernel: the boot CPU once, each AP once. Neither
 * returns.
 */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

void __attribute__((noreturn)) kernel_main(void);
void __attribute__((noreturn)) kernel_ap_main(void);

#endif
