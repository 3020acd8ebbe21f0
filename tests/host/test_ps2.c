/*
 * The keyboard against a fake controller: every one that is missing, mute or odd must be survived
 * within bounds, and every key must give its character.
 */
#include <arch/x86_64/io.h>
#include <stdint.h>

static uint8_t fake_inb(uint16_t port);
static void fake_outb(uint16_t port, uint8_t value);

#define inb  fake_inb
#define outb fake_outb
#include <arch/x86_64/ps2.c>
#undef inb
#undef outb

#include <lib/string.h>
#include <tests/host/tap.h>

#define SELF_TEST_PASSED 0x55

static struct controller {
	bool absent;      /* all ones on the bus */
	bool mute;        /* status reads as 0 and nothing ever comes */
	bool deaf;        /* takes no byte */
	bool babbling;    /* never runs out of bytes */
	bool no_keyboard; /* nobody behind port 1 */
	bool no_translation;
	bool odd_self_test; /* another answer than 0x55 */
	unsigned int resends;

	uint8_t config, command, scan_set;
	bool keys_on, scanning, set_follows;
	uint8_t queue[256], status[256];
	unsigned int head, tail, polls;
} fake;

static void queue_byte(uint8_t byte, uint8_t status)
{
	fake.queue[fake.tail % 256] = byte;
	fake.status[fake.tail++ % 256] = status;
}

static uint8_t fake_inb(uint16_t port)
{
	fake.polls++;
	if (fake.absent)
		return NO_DEVICE;
	if (fake.babbling)
		return port == PS2_STATUS ? STATUS_OUTPUT : 0x1e;
	if (port == PS2_STATUS)
		return (fake.deaf ? STATUS_INPUT : 0) |
		       (fake.head == fake.tail ? 0 : STATUS_OUTPUT | fake.status[fake.head % 256]);
	return fake.head == fake.tail ? 0 : fake.queue[fake.head++ % 256];
}

static void keyboard_byte(uint8_t byte)
{
	if (fake.no_keyboard || !fake.keys_on || fake.config & CONFIG_KEYS_OFF)
		return;
	if (fake.resends) {
		fake.resends--;
		queue_byte(KEYBOARD_RESEND, 0);
		return;
	}
	if (fake.set_follows)
		fake.scan_set = byte;
	else if (byte == KEYBOARD_DEFAULTS)
		fake.scan_set = 2;
	else if (byte == KEYBOARD_ENABLE)
		fake.scanning = true;
	fake.set_follows = byte == KEYBOARD_SCAN_SET;
	queue_byte(KEYBOARD_ACK, 0);
}

static void data_byte(uint8_t byte)
{
	if (fake.command == COMMAND_WRITE_CONFIG)
		fake.config = fake.no_translation ? byte & ~CONFIG_TRANSLATE : byte;
	else
		keyboard_byte(byte);
	fake.command = 0;
}

static void command_byte(uint8_t byte)
{
	fake.command = byte;
	if (byte == COMMAND_DISABLE_KEYS || byte == COMMAND_ENABLE_KEYS)
		fake.keys_on = byte == COMMAND_ENABLE_KEYS;
	else if (byte == COMMAND_READ_CONFIG)
		queue_byte(fake.config, 0);
	else if (byte == COMMAND_SELF_TEST) {
		fake.config = 0x33; /* as controllers do that are set back by it */
		queue_byte(fake.odd_self_test ? 0xfc : SELF_TEST_PASSED, 0);
	}
}

static void fake_outb(uint16_t port, uint8_t value)
{
	if (fake.absent || fake.mute || fake.deaf)
		return;
	if (port == PS2_COMMAND)
		command_byte(value);
	else
		data_byte(value);
}

/* A PC as its firmware leaves it: interrupts on, some keys typed meanwhile. */
static struct controller ordinary(void)
{
	struct controller pc = { .config = 0x47, .keys_on = true, .scan_set = 2, .tail = 3 };

	pc.queue[0] = 0x1e;
	pc.queue[1] = 0x9e;
	pc.queue[2] = 0xfa;
	return pc;
}

static void test_probe(void)
{
	fake = ordinary();
	tap_ok(ps2_probe() && fake.scanning && fake.keys_on, "a keyboard is found");
	tap_ok((fake.config & (CONFIG_INTERRUPTS | CONFIG_KEYS_OFF)) == 0 &&
		       fake.config & CONFIG_TRANSLATE && fake.config & CONFIG_MOUSE_OFF,
	       "no interrupts, no mouse, scan code set 1");
	tap_ok(ps2_getc() == -1, "what was typed before is gone");

	fake = ordinary();
	fake.odd_self_test = true;
	tap_ok(ps2_probe(), "an odd answer to the self-test does not matter");
	fake = ordinary();
	fake.resends = 2;
	tap_ok(ps2_probe() && fake.scanning, "bytes are sent again when asked for");
	fake = ordinary();
	fake.no_translation = true;
	tap_ok(ps2_probe() && fake.scan_set == 1, "without translation the keyboard sends set 1");
}

static void expect_absent(const char *what)
{
	bool found = ps2_probe();

	tap_ok(!found && fake.polls < 5 * REPLY_POLLS, "absent: %s (%u polls)", what, fake.polls);
	fake.polls = 0;
	tap_ok(ps2_getc() == -1 && !fake.polls, "and left alone");
}

static void test_absent(void)
{
	fake = (struct controller){ .absent = true };
	expect_absent("all ones");
	fake = (struct controller){ .mute = true };
	expect_absent("all zero");
	fake = ordinary();
	fake.deaf = true;
	expect_absent("takes no command");
	fake = (struct controller){ .babbling = true };
	expect_absent("bytes without end");
	fake = ordinary();
	fake.no_keyboard = true;
	expect_absent("no keyboard");
	tap_ok(fake.keys_on, "its port stays enabled");
	fake = ordinary();
	fake.resends = 1000;
	expect_absent("asks for every byte again");
}

/* Types these scan codes and checks the characters that come out. */
static void types(const char *what, const char *codes, size_t count, const char *expected)
{
	char got[64];
	size_t length = 0;
	int letter;

	for (size_t i = 0; i < count; i++)
		queue_byte(codes[i], 0);
	while ((letter = ps2_getc()) >= 0 && length < sizeof(got) - 1)
		got[length++] = letter;
	got[length] = 0;
	if (!tap_ok(strcmp(got, expected) == 0, "types %s", what))
		printf("# got \"%s\", expected \"%s\"\n", got, expected);
}

#define TYPES(what, codes, expected) types(what, codes, sizeof(codes) - 1, expected)

static void test_keys(void)
{
	fake = ordinary();
	ps2_probe();
	TYPES("digits", "\x02\x82\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", "1234567890");
	TYPES("the upper row", "\x10\x90\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b",
	      "qwertyuiop[]");
	TYPES("the middle row", "\x1e\x1f\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2b",
	      "asdfghjkl;'`\\");
	TYPES("the lower row", "\x2c\x2d\x2e\x2f\x30\x31\x32\x33\x34\x35\x39", "zxcvbnm,./ ");
	TYPES("the rest", "\x01\x0c\x0d\x0e\x0f\x1c\x56", "\033-=\b\t\n\\");
	TYPES("shift", "\x2a\x1e\x9e\x02\xaa\x1e", "A!a");
	TYPES("both shifts", "\x2a\x36\x1e\xaa\x1e\xb6\x1e", "AAa");
	TYPES("shifted marks",
	      "\x36\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x1a\x1b\x27\x28\x29\x2b\x33"
	      "\x34\x35\xb6",
	      "@#$%^&*()_+{}:\"~|<>?");
	TYPES("caps lock", "\x3a\xba\x1e\x02\x2a\x1e\xaa\x3a\xba\x1e", "A1aa");
	TYPES("control", "\x1d\x2e\x16\x9d\x2e",
	      "\x03\x15"
	      "c");
	TYPES("right control", "\xe0\x1d\x2e\xe0\x9d\x2e",
	      "\x03"
	      "c");
	TYPES("the keypad",
	      "\x47\x48\x49\x4b\x4c\x4d\x4f\x50\x51\x52\x53\x4a\x4e\x37\xe0\x35\xe0\x1c",
	      "7894561230.-+*/\n");
	TYPES("nothing with arrows, F keys, Alt and unknown codes",
	      "\xe0\x48\xe0\xc8\xe0\x4b\x3b\x44\x57\x58\x38\xe0\x38\x54\x5b\x7f\x45\x46\xff", "");
	TYPES("no shift that Insert only pretends", "\xe0\x2a\xe0\x52\xe0\xd2\xe0\xaa\x1e", "a");
	TYPES("nothing with Pause", "\xe1\x1d\x45\xe1\x9d\xc5\x1e", "a");

	queue_byte(0x1e, 0x20);
	queue_byte(0x1e, 0x40);
	queue_byte(0x1e, 0x80);
	queue_byte(0x1f, 0);
	tap_ok(ps2_getc() == 's' && ps2_getc() == -1,
	       "bytes of the mouse and broken ones are no keys");
}

static void test_end(void)
{
	fake = ordinary();
	ps2_probe();
	fake.polls = 0;
	for (int i = 0; i < 200; i++)
		queue_byte(0x9e, 0);
	tap_ok(ps2_getc() == -1 && fake.polls <= 2 * BUFFER_BYTES,
	       "a flood of releases is taken in parts");
	fake.absent = true;
	tap_ok(ps2_getc() == -1, "a controller that is taken away is survived");
}

int main(void)
{
	test_probe();
	test_absent();
	test_keys();
	test_end();
	return tap_done();
}
