/*
 * The serial line (National Semiconductor PC16550D data sheet, §8). Most of today's PCs have no
 * such port, some have one that leads nowhere, and in a virtual machine whoever reads the other end
 * may stop reading: none of them may hold the kernel up.
 */
#include "serial.h"
#include "io.h"
#include <arch/cpu.h>
#include <stdint.h>

#define COM1 0x3f8

#define UART_DATA         (COM1 + 0)
#define UART_DIVISOR_LOW  (COM1 + 0) /* while LCR_DIVISOR is set */
#define UART_IER          (COM1 + 1)
#define UART_DIVISOR_HIGH (COM1 + 1)
#define UART_FCR          (COM1 + 2) /* write only */
#define UART_IIR          (COM1 + 2) /* read only */
#define UART_LCR          (COM1 + 3)
#define UART_MCR          (COM1 + 4)
#define UART_LSR          (COM1 + 5)
#define UART_SCRATCH      (COM1 + 7)

#define FCR_ENABLE_AND_CLEAR 0x07
#define IIR_FIFO_WORKS       0xc0 /* both bits: the plain 16550's FIFO, known bad, sets one */
#define LCR_8N1              0x03
#define LCR_DIVISOR          0x80
#define MCR_DTR_RTS          0x03
#define MCR_LOOPBACK         0x10
#define LSR_DATA             0x01
#define LSR_BAD_DATA         0x1c /* parity or framing error, or a break: no byte that was sent */
#define LSR_ROOM             0x20
#define LSR_IDLE             0x40

#define NO_DEVICE      0xff /* what reading a port gives that nobody answers */
#define DIVISOR_115200 1
#define FIFO_BYTES     16

/* Reading a port takes about 1 us on PCs. */
#define WRITE_POLLS 1000000 /* a second */
#define IDLE_POLLS  50000   /* what a full FIFO takes to leave, at 4800 baud too */
#define LOOP_POLLS  5000    /* what 50 bytes take at 115200 baud */
#define DRAIN_BYTES 256     /* more than any FIFO holds */

static bool present, dead;
static unsigned int fifo_bytes;

/* Waits for one of these bits in LSR; false after so many polls, or if the device is gone. */
static bool wait_for(uint8_t bits, unsigned int polls)
{
	for (; polls; polls--) {
		uint8_t status = inb(UART_LSR);
		if (status == NO_DEVICE)
			return false;
		if (status & bits)
			return true;
		cpu_relax();
	}
	return false;
}

static bool scratch_holds(uint8_t value)
{
	outb(UART_SCRATCH, value);
	outb(UART_LCR, LCR_8N1); /* other bits on the bus, so that it cannot echo the value */
	return inb(UART_SCRATCH) == value;
}

static void drain_receiver(void)
{
	for (unsigned int i = 0; i < DRAIN_BYTES && (inb(UART_LSR) & LSR_DATA); i++)
		inb(UART_DATA);
}

/* One byte through the UART and back, without it leaving the machine. */
static bool loops_back(uint8_t value)
{
	outb(UART_DATA, value);
	return wait_for(LSR_DATA, LOOP_POLLS) && inb(UART_DATA) == value;
}

static void set_line(void)
{
	outb(UART_IER, 0);
	outb(UART_LCR, LCR_DIVISOR | LCR_8N1);
	outb(UART_DIVISOR_LOW, DIVISOR_115200);
	outb(UART_DIVISOR_HIGH, 0);
	outb(UART_LCR, LCR_8N1);
}

static void enable_fifo(void)
{
	outb(UART_FCR, FCR_ENABLE_AND_CLEAR);
	fifo_bytes = 1;
	if ((inb(UART_IIR) & IIR_FIFO_WORKS) == IIR_FIFO_WORKS)
		fifo_bytes = FIFO_BYTES;
	else
		outb(UART_FCR, 0);
}

bool serial_probe(void)
{
	present = dead = false;
	if (inb(UART_LSR) == NO_DEVICE)
		return false;
	/* What the firmware wrote last is still on its way; a new divisor would garble it. */
	wait_for(LSR_IDLE, IDLE_POLLS);
	if (!scratch_holds(0x5a) || !scratch_holds(0xa5))
		return false;
	set_line();
	enable_fifo();

	outb(UART_MCR, MCR_LOOPBACK | MCR_DTR_RTS);
	drain_receiver();
	present = loops_back(0xae) && loops_back(0x51);
	outb(UART_MCR, MCR_DTR_RTS);
	drain_receiver();
	return present;
}

/* How many bytes may be written now; 0 if the port is dead. */
static unsigned int wait_for_room(void)
{
	dead = !wait_for(LSR_ROOM, dead ? 1 : WRITE_POLLS);
	return dead ? 0 : fifo_bytes;
}

void serial_write(const char *text, size_t len)
{
	bool returned = false; /* the '\r' of the '\n' at text is out */
	unsigned int room = 0;

	while (present && len) {
		if (!room)
			room = wait_for_room();
		if (!room)
			return;
		room--;
		returned = *text == '\n' && !returned;
		outb(UART_DATA, returned ? '\r' : *text);
		text += !returned;
		len -= !returned;
	}
}

int serial_getc(void)
{
	uint8_t status, byte;

	if (!present)
		return -1;
	status = inb(UART_LSR);
	if (status == NO_DEVICE || !(status & LSR_DATA))
		return -1;
	byte = inb(UART_DATA);
	return status & LSR_BAD_DATA ? -1 : byte;
}
