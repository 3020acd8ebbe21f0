/*
 * The serial port against a fake one: what is not there, or is there and broken, must be told from
 * what works, and no state of it may hold the caller up for long.
 */
#include <arch/x86_64/io.h>
#include <stdint.h>

static uint8_t fake_inb(uint16_t port);
static void fake_outb(uint16_t port, uint8_t value);

#define inb  fake_inb
#define outb fake_outb
#include <arch/x86_64/serial.c>
#undef inb
#undef outb

#include <lib/string.h>
#include <tests/host/tap.h>

static struct uart {
	bool absent;       /* all ones on the bus */
	bool echoing_bus;  /* reading gives what was written last, whatever the port */
	bool no_scratch;   /* an 8250 */
	bool no_loopback;  /* something else that has eight registers */
	bool no_fifo;      /* a 16450 */
	bool stuck;        /* the transmitter never gets ready */
	unsigned int busy; /* polls until a full FIFO has left */

	uint8_t register_of[8], divisor_low, divisor_high, bus;
	uint8_t received[16];
	unsigned int pending, wait, queued, lost, polls;
	uint8_t errors;
	char sent[4096];
	unsigned int length;
} uart;

static unsigned int depth(void)
{
	return !uart.no_fifo && uart.register_of[2] & 1 ? 16 : 1;
}

static uint8_t line_status(void)
{
	uint8_t status = uart.pending ? LSR_DATA | uart.errors : 0;

	uart.polls++;
	if (uart.wait)
		uart.wait--;
	if (uart.wait || uart.stuck)
		return status;
	uart.queued = 0;
	return status | LSR_ROOM | LSR_IDLE;
}

static uint8_t take_received(void)
{
	uint8_t byte = uart.received[0];

	if (uart.pending)
		memmove(uart.received, uart.received + 1, --uart.pending);
	return byte;
}

static uint8_t fake_inb(uint16_t port)
{
	unsigned int index = port - COM1;

	if (uart.absent || index >= 8)
		return NO_DEVICE;
	if (uart.echoing_bus)
		return uart.bus;
	if (port == UART_LSR)
		return line_status();
	if (port == UART_DATA)
		return take_received();
	if (port == UART_IIR)
		return depth() == 16 ? 0xc1 : 0x01;
	if (port == UART_SCRATCH && uart.no_scratch)
		return NO_DEVICE;
	return uart.register_of[index];
}

static void transmit(uint8_t byte)
{
	if (uart.register_of[4] & MCR_LOOPBACK) {
		if (!uart.no_loopback && uart.pending < sizeof(uart.received))
			uart.received[uart.pending++] = byte;
		return;
	}
	if (uart.queued++ >= depth())
		uart.lost++;
	else if (uart.length < sizeof(uart.sent))
		uart.sent[uart.length++] = byte;
	uart.wait = uart.busy;
}

static void fake_outb(uint16_t port, uint8_t value)
{
	unsigned int index = port - COM1;
	bool divisor = uart.register_of[3] & LCR_DIVISOR;

	uart.bus = value;
	if (uart.absent || uart.echoing_bus || index >= 8)
		return;
	if (divisor && port == UART_DIVISOR_LOW)
		uart.divisor_low = value;
	else if (divisor && port == UART_DIVISOR_HIGH)
		uart.divisor_high = value;
	else if (port == UART_DATA)
		transmit(value);
	else
		uart.register_of[index] = value;
}

/* A port as the firmware may have left it: another speed, interrupts on, a byte waiting. */
static struct uart left_by_firmware(void)
{
	struct uart port = { .divisor_low = 12,
			     .divisor_high = 1,
			     .pending = 1,
			     .busy = 20,
			     .wait = 9 };

	port.register_of[1] = 0x0f;
	port.register_of[3] = LCR_DIVISOR | 0x1b;
	return port;
}

static bool sent(const char *text)
{
	return uart.length == strlen(text) && !memcmp(uart.sent, text, uart.length);
}

static void write_text(const char *text)
{
	serial_write(text, strlen(text));
}

static void test_working_port(void)
{
	static char page[3000];

	uart = left_by_firmware();
	tap_ok(serial_probe(), "a 16550A is found");
	tap_ok(uart.divisor_low == 1 && uart.divisor_high == 0 && uart.register_of[3] == LCR_8N1,
	       "it is set to 115200 8N1");
	tap_ok(uart.register_of[1] == 0 && uart.register_of[4] == MCR_DTR_RTS,
	       "no interrupts, no loop");
	tap_ok(uart.length == 0 && serial_getc() == -1,
	       "the probe sends nothing and leaves nothing");

	write_text("ab\ncd\n\n");
	tap_ok(sent("ab\r\ncd\r\n\r\n"), "newlines get their returns");

	memset(page, 'x', sizeof(page));
	uart.length = uart.polls = 0;
	serial_write(page, sizeof(page));
	tap_ok(uart.length == sizeof(page) && !uart.lost, "nothing is lost in a full FIFO");
	tap_ok(uart.polls <= (sizeof(page) / 16 + 2) * (uart.busy + 1),
	       "16 bytes for each wait (%u polls)", uart.polls);

	uart.received[0] = 'q';
	uart.received[1] = 0xff;
	uart.pending = 2;
	tap_ok(serial_getc() == 'q' && serial_getc() == 0xff && serial_getc() == -1,
	       "receives bytes");
	uart.pending = 1;
	uart.errors = 0x10;
	tap_ok(serial_getc() == -1 && !uart.pending, "a break is no byte");
}

static void test_old_port(void)
{
	uart = left_by_firmware();
	uart.no_fifo = true;
	tap_ok(serial_probe(), "a 16450 is found");
	write_text("one at a time");
	tap_ok(sent("one at a time") && !uart.lost, "it gets one byte for each wait");
}

static void expect_absent(const char *what)
{
	bool found = serial_probe();

	tap_ok(!found && uart.polls < 2 * IDLE_POLLS, "absent: %s", what);
	uart.length = uart.polls = 0;
	write_text("nobody\n");
	tap_ok(uart.length == 0 && uart.polls == 0 && serial_getc() == -1, "and left alone");
}

static void test_absent(void)
{
	uart = (struct uart){ .absent = true };
	expect_absent("all ones");
	uart = (struct uart){ .echoing_bus = true };
	expect_absent("a bus that echoes");
	uart = left_by_firmware();
	uart.no_scratch = true;
	expect_absent("no scratch register");
	uart = left_by_firmware();
	uart.no_loopback = true;
	expect_absent("no loopback");
	uart = left_by_firmware();
	uart.no_loopback = uart.stuck = true;
	expect_absent("stuck from the beginning");
}

static void test_stuck(void)
{
	uart = left_by_firmware();
	tap_ok(serial_probe(), "found, then stuck");
	uart.stuck = true;
	uart.polls = 0;
	write_text("lost");
	tap_ok(uart.polls == WRITE_POLLS && uart.length == 0, "the wait is bounded");
	uart.polls = 0;
	for (int i = 0; i < 100; i++)
		write_text("lost too\n");
	tap_ok(uart.polls == 100 && uart.length == 0, "and not made again");
	uart.stuck = false;
	write_text("back\n");
	tap_ok(sent("back\r\n"), "a reader that comes back gets what is new");
	uart.absent = true;
	write_text("pulled\n");
	tap_ok(serial_getc() == -1, "a port that is taken away is survived");
}

int main(void)
{
	test_working_port();
	test_old_port();
	test_absent();
	test_stuck();
	return tap_done();
}
