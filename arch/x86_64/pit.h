/* The 8254's ports (82C54 data sheet), for those who use one of its channels. */
#ifndef X86_PIT_H
#define X86_PIT_H

#define PIT_HZ       1193182
#define PIT_CHANNEL0 0x40 /* its output is IRQ 0 */
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43

#define PIT_CHANNEL0_MODE2 0x34 /* both bytes, again and again */
#define PIT_CHANNEL2_MODE0 0xb0 /* both bytes, count down once */
#define PIT_LATCH2         0x80

#endif
