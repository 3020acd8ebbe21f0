/*
 * The 8259s are masked for good, but even so they may raise IRQ 7 or 15: they
 * are mapped to vectors where that can be told from anything else. Such an
 * interrupt did not come through the local APIC and gets no EOI there.
 */
#include "pic.h"
#include "io.h"

#define MASTER_COMMAND 0x20
#define MASTER_DATA    0x21
#define SLAVE_COMMAND  0xa0
#define SLAVE_DATA     0xa1

#define ICW1_INIT   0x11 /* edge, cascade, ICW4 follows */
#define ICW3_MASTER 4    /* the slave is on IRQ 2 */
#define ICW3_SLAVE  2
#define ICW4_8086   1
#define READ_ISR    0x0b

#define MASTER_VECTOR 0x20
#define SLAVE_VECTOR  0x28

void pic_disable(void)
{
	outb(MASTER_COMMAND, ICW1_INIT);
	outb(SLAVE_COMMAND, ICW1_INIT);
	outb(MASTER_DATA, MASTER_VECTOR);
	outb(SLAVE_DATA, SLAVE_VECTOR);
	outb(MASTER_DATA, ICW3_MASTER);
	outb(SLAVE_DATA, ICW3_SLAVE);
	outb(MASTER_DATA, ICW4_8086);
	outb(SLAVE_DATA, ICW4_8086);
	outb(MASTER_DATA, 0xff);
	outb(SLAVE_DATA, 0xff);
}

/* An in-service bit means that the 8259 meant it (8259A data sheet, "spurious"). */
static bool in_service(unsigned int command_port)
{
	outb((uint16_t)command_port, READ_ISR);
	return inb((uint16_t)command_port) & 0x80;
}

bool pic_is_spurious(unsigned int vector)
{
	if (vector == MASTER_VECTOR + 7)
		return !in_service(MASTER_COMMAND);
	if (vector == SLAVE_VECTOR + 7)
		return !in_service(SLAVE_COMMAND);
	return false;
}
