/* Who can nudge whom, and how fast. */
#ifndef KERNEL_REPORT_MATRIX_H
#define KERNEL_REPORT_MATRIX_H

/* Measures and prints. Thread context on the boot CPU. */
void matrix_report(void);

#endif
