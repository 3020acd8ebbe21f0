/* The part of the report about the TLB. */
#ifndef KERNEL_REPORT_TLB_H
#define KERNEL_REPORT_TLB_H

/* Measures what forgetting costs on this CPU, and says from how many pages on it is all. */
void tlb_report(void);

#endif
