/*
 * The i8042 keyboard controller (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller") and scan code set 1. Many PCs have a keyboard only as the
 * firmware's emulation by SMI, so little is asked of it: every reply is waited for within bounds,
 * and where one is missing the keyboard's port is left enabled, as it was found.
 */
#include "ps2.h"
#include "io.h"
#include <arch/cpu.h>
#include <assert.h>
#include <stdint.h>

#define PS2_DATA    0x60
#define PS2_STATUS  0x64 /* read */
#define PS2_COMMAND 0x64 /* write */

#define STATUS_OUTPUT    0x01 /* a byte is there to be read */
#define STATUS_INPUT     0x02 /* the controller has not taken the last byte yet */
#define STATUS_NOT_A_KEY 0xe0 /* from the mouse, or a time-out or parity error */

#define COMMAND_READ_CONFIG   0x20
#define COMMAND_WRITE_CONFIG  0x60
#define COMMAND_DISABLE_MOUSE 0xa7
#define COMMAND_SELF_TEST     0xaa
#define COMMAND_DISABLE_KEYS  0xad
#define COMMAND_ENABLE_KEYS   0xae

#define CONFIG_INTERRUPTS 0x03
#define CONFIG_KEYS_OFF   0x10
#define CONFIG_MOUSE_OFF  0x20
#define CONFIG_TRANSLATE  0x40 /* of the keyboard's scan code set 2 into set 1 */

#define KEYBOARD_SCAN_SET 0xf0
#define KEYBOARD_ENABLE   0xf4
#define KEYBOARD_DEFAULTS 0xf6
#define KEYBOARD_ACK      0xfa
#define KEYBOARD_RESEND   0xfe

#define NO_DEVICE 0xff /* what reading a port gives that nobody answers */

/* Reading a port takes about 1 us on PCs: a quarter of a second. */
#define REPLY_POLLS  250000
#define BUFFER_BYTES 64 /* more than any controller or keyboard holds */
#define SEND_TRIES   3

#define KEY_CTRL        0x1d
#define KEY_LEFT_SHIFT  0x2a
#define KEY_RIGHT_SHIFT 0x36
#define KEY_CAPS_LOCK   0x3a
#define KEY_ENTER       0x1c
#define KEY_SLASH       0x35
#define KEY_RELEASED    0x80
#define PREFIX_E0       0xe0 /* keys that the first PC's keyboard did not have */

#define SHIFT_LEFT  0x01
#define SHIFT_RIGHT 0x02

/* By scan code, from 0x00 on; the keypad's keys, from 0x47, as with NumLock. */
static const char plain[] = "\0\033"
			    "1234567890-=\b\t"
			    "qwertyuiop[]\n\0"
			    "asdfghjkl;'`\0\\"
			    "zxcvbnm,./\0*\0 \0"
			    "\0\0\0\0\0\0\0\0\0\0\0\0"
			    "789-456+1230.\0\0\\";
static const char shifted[] = "\0\033"
			      "!@#$%^&*()_+\b\t"
			      "QWERTYUIOP{}\n\0"
			      "ASDFGHJKL:\"~\0|"
			      "ZXCVBNM<>?\0*\0 \0"
			      "\0\0\0\0\0\0\0\0\0\0\0\0"
			      "789-456+1230.\0\0|";

static_assert(sizeof(plain) == 0x58 && sizeof(shifted) == 0x58, "a character for each key");

static bool present;
static struct {
	uint8_t shift; /* SHIFT_LEFT and SHIFT_RIGHT while they are down */
	bool ctrl, caps;
	bool extended; /* the last code was PREFIX_E0 */
} keys;

/* The next byte from the controller, or -1 if none comes in time. */
static int receive(void)
{
	for (unsigned int polls = REPLY_POLLS; polls; polls--) {
		uint8_t status = inb(PS2_STATUS);
		if (status == NO_DEVICE)
			return -1;
		if (status & STATUS_OUTPUT)
			return inb(PS2_DATA);
		cpu_relax();
	}
	return -1;
}

static bool send(uint16_t port, uint8_t byte)
{
	for (unsigned int polls = REPLY_POLLS; polls; polls--) {
		uint8_t status = inb(PS2_STATUS);
		if (status == NO_DEVICE)
			return false;
		if (!(status & STATUS_INPUT)) {
			outb(port, byte);
			return true;
		}
		cpu_relax();
	}
	return false;
}

/* Throws away what was typed before; false if the controller has no end of it. */
static bool drain(void)
{
	for (unsigned int i = 0; i < BUFFER_BYTES; i++) {
		if (!(inb(PS2_STATUS) & STATUS_OUTPUT))
			return true;
		inb(PS2_DATA);
	}
	return false;
}

/* The controller's one-byte answer to a command, or -1. */
static int ask(uint8_t command)
{
	return send(PS2_COMMAND, command) ? receive() : -1;
}

static bool write_config(uint8_t config)
{
	return send(PS2_COMMAND, COMMAND_WRITE_CONFIG) && send(PS2_DATA, config);
}

/* Sends the keyboard a byte and waits for it to be acknowledged, past codes still on their way. */
static bool tell_keyboard(uint8_t byte)
{
	for (unsigned int tries = 0; tries < SEND_TRIES; tries++) {
		int reply = -1;
		if (!send(PS2_DATA, byte))
			return false;
		for (unsigned int i = 0; i < BUFFER_BYTES; i++) {
			reply = receive();
			if (reply < 0 || reply == KEYBOARD_ACK || reply == KEYBOARD_RESEND)
				break;
		}
		if (reply != KEYBOARD_RESEND)
			return reply == KEYBOARD_ACK;
	}
	return false;
}

/*
 * The self-test may set the controller back, so the configuration is read after it. Its result is
 * not looked at: some controllers answer with another value than 0x55 and work.
 */
static int set_up_controller(void)
{
	int config;

	if (!send(PS2_COMMAND, COMMAND_DISABLE_KEYS) || !send(PS2_COMMAND, COMMAND_DISABLE_MOUSE))
		return -1;
	if (!drain() || ask(COMMAND_SELF_TEST) < 0)
		return -1;
	config = ask(COMMAND_READ_CONFIG);
	if (config < 0)
		return -1;
	config &= ~(CONFIG_INTERRUPTS | CONFIG_KEYS_OFF);
	if (!write_config(config | CONFIG_MOUSE_OFF | CONFIG_TRANSLATE))
		return -1;
	return ask(COMMAND_READ_CONFIG);
}

/* A controller that cannot translate leaves it to the keyboard to send set 1. */
static bool set_up_keyboard(bool translated)
{
	if (!tell_keyboard(KEYBOARD_DEFAULTS))
		return false;
	if (!translated && !(tell_keyboard(KEYBOARD_SCAN_SET) && tell_keyboard(1)))
		return false;
	return tell_keyboard(KEYBOARD_ENABLE);
}

bool ps2_probe(void)
{
	int config;

	present = false;
	if (inb(PS2_STATUS) == NO_DEVICE)
		return false;
	config = set_up_controller();
	if (!send(PS2_COMMAND, COMMAND_ENABLE_KEYS) || config < 0)
		return false;
	present = set_up_keyboard(config & CONFIG_TRANSLATE) && drain();
	return present;
}

static int character(uint8_t key)
{
	bool shift = keys.shift;
	char letter;

	if (key >= sizeof(plain) - 1)
		return -1;
	letter = plain[key];
	if (letter >= 'a' && letter <= 'z') {
		if (keys.ctrl)
			return letter & 0x1f;
		shift ^= keys.caps;
	}
	letter = shift ? shifted[key] : letter;
	return letter ? letter : -1;
}

static void hold_shift(uint8_t which, bool down)
{
	keys.shift = down ? keys.shift | which : keys.shift & ~which;
}

/* One code without its prefix. With E0, shifts are sent that nobody pressed, around other keys. */
static int key_moved(uint8_t key, bool down, bool extended)
{
	if (key == KEY_CTRL)
		keys.ctrl = down;
	else if (extended)
		return down && (key == KEY_ENTER || key == KEY_SLASH) ? plain[key] : -1;
	else if (key == KEY_LEFT_SHIFT || key == KEY_RIGHT_SHIFT)
		hold_shift(key == KEY_LEFT_SHIFT ? SHIFT_LEFT : SHIFT_RIGHT, down);
	else if (key == KEY_CAPS_LOCK)
		keys.caps ^= down;
	else if (down)
		return character(key);
	return -1;
}

/* Pause, E1 1D 45 E1 9D C5, needs no care: it presses Ctrl and NumLock and releases them. */
static int decode(uint8_t code)
{
	bool extended = keys.extended;

	keys.extended = code == PREFIX_E0;
	if (keys.extended)
		return -1;
	return key_moved(code & ~KEY_RELEASED, !(code & KEY_RELEASED), extended);
}

int ps2_getc(void)
{
	uint8_t status, code;
	int letter = -1;

	for (unsigned int i = 0; present && letter < 0 && i < BUFFER_BYTES; i++) {
		status = inb(PS2_STATUS);
		if (status == NO_DEVICE || !(status & STATUS_OUTPUT))
			return -1;
		code = inb(PS2_DATA);
		if (!(status & STATUS_NOT_A_KEY))
			letter = decode(code);
	}
	return letter;
}
