/* SPDX-License-Identifier: MIT */
/* P0 and P1 (nRF52840 Product Specification 1.7, 6.9): levels, directions, pulls. Sensing is not modelled, nor what
 * other peripherals do to pins. */
#include "emulator/gpio.h"

#include "emulator/models.h"

#define PORTS 2U
#define PORT_BYTES 0x300U
#define P1 0x800U /* where no register of P0 is */
#define OUT 0x504U
#define OUTSET 0x508U
#define OUTCLR 0x50CU
#define IN 0x510U
#define DIR 0x514U
#define DIRSET 0x518U
#define DIRCLR 0x51CU
#define PIN_CNF 0x700U

#define CNF_DIR 1U
#define CNF_INPUT_OFF 2U
#define CNF_RESET 2U
#define CNF_PULL(cnf) ((cnf) >> 2 & 3U)
#define CNF_PULL_UP 3U
#define CNF_SENSE (3U << 16)

struct port {
	uint32_t out, direction;
	uint32_t external, driven; /* levels from outside, and which pins something outside drives */
	uint32_t configuration[32];
};

struct gpio {
	struct cats_peripheral p;
	struct port ports[PORTS];
};

static const uint32_t pins_of[PORTS] = {32, 16};

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct gpio *g = (struct gpio *)p;

	(void)cause;
	for (uint32_t i = 0; i < PORTS; i++) {
		g->ports[i].out = g->ports[i].direction = 0;
		for (uint32_t pin = 0; pin < 32; pin++)
			g->ports[i].configuration[pin] = CNF_RESET;
	}
}

/* A port's output levels and directions become these. */
static void drive(struct gpio *g, uint32_t which, uint32_t out, uint32_t direction)
{
	const struct cats_chip_host *host = cats_chip_host(&g->p);
	struct port *port = g->ports + which;
	const uint32_t before = port->out & port->direction, level = out & direction;
	uint32_t changed = (before ^ level) | ((port->direction ^ direction) & direction);

	port->out = out;
	port->direction = direction;
	for (; host->pin && changed != 0; changed &= changed - 1U) {
		const uint32_t pin = (uint32_t)__builtin_ctz(changed);

		if ((direction >> pin & 1U) != 0)
			host->pin(host->context, cats_peripheral_now(&g->p), 32U * which + pin, (out >> pin & 1U) != 0);
	}
}

static uint32_t input(const struct port *port)
{
	uint32_t levels = 0;

	for (uint32_t pin = 0; pin < 32; pin++) {
		const uint32_t c = port->configuration[pin], bit = 1U << pin;
		bool high = CNF_PULL(c) == CNF_PULL_UP;

		if ((port->direction & bit) != 0)
			high = (port->out & bit) != 0;
		else if ((port->driven & bit) != 0)
			high = (port->external & bit) != 0;
		if ((c & CNF_INPUT_OFF) == 0 && high)
			levels |= bit;
	}
	return levels;
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct gpio *g = (const struct gpio *)p;
	const uint32_t which = offset >= P1;
	const struct port *port = g->ports + which;

	offset -= which * PORT_BYTES;
	if (offset - PIN_CNF < 4U * pins_of[which] && offset % 4U == 0)
		*value = (port->configuration[(offset - PIN_CNF) / 4U] & ~CNF_DIR) |
			 (port->direction >> (offset - PIN_CNF) / 4U & 1U);
	else if (offset == OUT || offset == OUTSET || offset == OUTCLR)
		*value = port->out;
	else if (offset == DIR || offset == DIRSET || offset == DIRCLR)
		*value = port->direction;
	else if (offset == IN)
		*value = input(port);
	else
		return false;
	return true;
}

static void configure(struct gpio *g, uint32_t which, uint32_t pin, uint32_t value)
{
	struct port *port = g->ports + which;
	const uint32_t bit = 1U << pin;

	if ((value & CNF_SENSE) != 0)
		cats_peripheral_refuse(&g->p, "P%u.%02u: SENSE is not modelled", which, pin);
	port->configuration[pin] = value;
	drive(g, which, port->out, (value & CNF_DIR) != 0 ? port->direction | bit : port->direction & ~bit);
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct gpio *g = (struct gpio *)p;
	const uint32_t which = offset >= P1;
	const struct port *port = g->ports + which;

	offset -= which * PORT_BYTES;
	if (offset - PIN_CNF < 4U * pins_of[which] && offset % 4U == 0)
		configure(g, which, (offset - PIN_CNF) / 4U, value);
	else if (offset == OUT)
		drive(g, which, value, port->direction);
	else if (offset == OUTSET)
		drive(g, which, port->out | value, port->direction);
	else if (offset == OUTCLR)
		drive(g, which, port->out & ~value, port->direction);
	else if (offset == DIR)
		drive(g, which, port->out, value);
	else if (offset == DIRSET)
		drive(g, which, port->out, port->direction | value);
	else if (offset == DIRCLR)
		drive(g, which, port->out, port->direction & ~value);
	else
		return false;
	return true;
}

void cats_gpio_set(struct cats_peripheral *gpio, uint32_t pin, bool high)
{
	struct port *port = ((struct gpio *)gpio)->ports + pin / 32U;
	const uint32_t bit = 1U << pin % 32U;

	port->driven |= bit;
	port->external = high ? port->external | bit : port->external & ~bit;
}

const struct cats_peripheral_model cats_gpio_model = {
	.bytes = sizeof(struct gpio),
	.reset = reset,
	.read = read,
	.write = write,
};
