/* SPDX-License-Identifier: MIT */
/* Nodes as they are on a desk. See stage.h. */
#include "emulator/stage.h"

#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "deploy/firmware.h"
#include "emulator/ccm.h"
#include "emulator/models.h"
#include "emulator/sayings.h"
#include "emulator/uarte.h"
#include "net/frame.h"
#include "ports/nrf52840/layout.h"

#define MS (1000 * CATS_TIME_US)
#define BYTE_TIME (10 * CATS_TIME_US) /* on the line */
#define POWER_ON (5 * MS)             /* within so long all nodes have power */
#define BOOT_MAX (1000 * MS)
#define STEP (250 * CATS_TIME_US) /* after which is looked whether everybody is quiet */
/* So long nobody computes, sends or writes once an inference is over; and before one is given up as lost, longer than
 * any gather's deadline. */
#define QUIET (10 * MS)
#define LOST (5000 * MS)
#define INFERENCE_MAX (120000 * MS)

#define LED_PIN 13U

/* A node's packets, and the gather that they were of so far. */
struct watcher {
	struct cats_stage *stage;
	uint32_t node, site;
};

struct cats_stage {
	struct cats_stage_options options;
	struct watcher watchers[CATS_DEVICES_MAX];
	uint32_t count, source, sink;
	struct cats_chips *chips;
	struct cats_log *log;
	bool ready[CATS_DEVICES_MAX];
	struct cats_said_slack slack[CATS_DEVICES_MAX];
	bool infers; /* observers are told */
	/* Of the inference at hand. */
	struct cats_stage_report report;
	bool took_part[CATS_DEVICES_MAX];
	bool lit[CATS_DEVICES_MAX];
	cats_time result_time;
	int32_t *outputs;
	uint8_t *there;
	struct cats_lack *lacks;
	size_t lack_room;
	bool dead[CATS_DEVICES_MAX];
	uint32_t inferences; /* begun so far */
	bool *suffered;      /* [fault_count] */
	uint64_t whole;      /* values that all nodes wait for */
	cats_time spent[CATS_DEVICES_MAX][CATS_DRAWS], spent_before[CATS_DEVICES_MAX][CATS_DRAWS];
	uint64_t instructions[CATS_DEVICES_MAX], instructions_before[CATS_DEVICES_MAX];
	enum cats_status status; /* of what went wrong in a callback */
	struct cats_error *error;
};

static const struct cats_shard_header *header(const struct cats_stage *s, uint32_t node)
{
	return cats_shards_header(s->options.shards, node);
}

static const struct cats_shard_site *site_of(const struct cats_stage *s, uint32_t node, uint32_t site)
{
	const uint8_t *shard = s->options.shards->bytes[node];

	return (const struct cats_shard_site *)(const void *)(shard + header(s, node)->sites) + site;
}

static const struct cats_shard_sender *senders_of(const struct cats_stage *s, uint32_t node, uint32_t site)
{
	return (const struct cats_shard_sender *)(const void *)(s->options.shards->bytes[node] +
								site_of(s, node, site)->senders);
}

static void fail(struct cats_stage *s, enum cats_status status)
{
	if (s->status == CATS_OK && status < 0) {
		s->status = status;
		cats_chips_halt(s->chips);
	}
}

/* ---- Lines ---- */

static bool begins(const char **rest, const char *text, const char *word)
{
	const size_t length = strlen(word);

	*rest = text + length;
	return strncmp(text, word, length) == 0;
}

static bool read_result(struct cats_stage *s, const struct cats_log_line *line, const char *text)
{
	struct cats_stage_report *r = &s->report;
	struct cats_said_result said;

	if (!cats_said_result(&said, s->outputs, s->there, r->rows, r->columns, text))
		return false;
	r->has_result = true;
	r->class_ = said.class_;
	s->result_time = line->time;
	return true;
}

static bool add_lack(struct cats_stage *s, const struct cats_lack *lack)
{
	struct cats_stage_report *r = &s->report;

	if (r->lack_count == s->lack_room) {
		const size_t room = s->lack_room == 0 ? 64 : 2 * s->lack_room;
		struct cats_lack *grown = realloc(s->lacks, room * sizeof *grown);

		if (grown == NULL)
			return false;
		s->lacks = grown;
		s->lack_room = room;
	}
	s->lacks[r->lack_count++] = *lack;
	return true;
}

/* Whether the plan has that packet; the values in it. */
static bool values_of(uint64_t *values, const struct cats_stage *s, const struct cats_lack *lack)
{
	const struct cats_shard_site *site = site_of(s, lack->receiver, lack->site);
	struct cats_message message;
	struct cats_packet_span span;

	if (lack->sender >= s->count || lack->sender == lack->receiver)
		return false;
	message = cats_message_of(site->tokens,
				  (uint32_t)senders_of(s, lack->receiver, lack->site)[lack->sender].columns *
					  site->column_bytes,
				  header(s, lack->receiver)->payload_max);
	if (lack->packet >= message.packets)
		return false;
	span = cats_message_span(&message, lack->packet);
	*values = (uint64_t)span.count * span.bytes / site->column_bytes;
	return true;
}

static bool read_lacks(struct cats_stage *s, uint32_t node, const char *text)
{
	struct cats_lack lack = {.receiver = (uint16_t)node};
	uint32_t site;

	if (!cats_said_site(&site, &text) || site >= header(s, node)->site_count)
		return false;
	lack.site = (uint16_t)site;
	while (cats_said_packet(&lack.sender, &lack.packet, &text)) {
		uint64_t values;

		if (!values_of(&values, s, &lack))
			return false;
		if (!add_lack(s, &lack)) {
			fail(s, cats_fail(s->error, CATS_ERR_MEMORY, "emulation: out of memory"));
			return true;
		}
		s->report.arrived -= values;
	}
	return *text == '\0';
}

/* The node begins anew: what it lacked before is not of this inference. */
static void forget_lacks(struct cats_stage *s, uint32_t node)
{
	struct cats_stage_report *r = &s->report;
	size_t kept = 0;

	for (size_t i = 0; i < r->lack_count; i++) {
		uint64_t values = 0;

		if (s->lacks[i].receiver != node)
			s->lacks[kept++] = s->lacks[i];
		else if (values_of(&values, s, &s->lacks[i]))
			r->arrived += values;
	}
	r->lack_count = kept;
}

static bool read_line(struct cats_stage *s, const struct cats_log_line *line)
{
	const char *rest;

	if (begins(&rest, line->text, "node: ")) {
		s->ready[line->node] = true;
	} else if (begins(&rest, line->text, "result")) {
		return line->node != s->sink || s->report.has_result || read_result(s, line, rest);
	} else if (begins(&rest, line->text, "lacks at site")) {
		return read_lacks(s, line->node, rest);
	} else if (begins(&rest, line->text, "least slack, us:")) {
		return cats_said_slack(&s->slack[line->node], rest);
	} else if (begins(&rest, line->text, "waiting: ") || begins(&rest, line->text, "input refused")) {
		fail(s, cats_fail(s->error, CATS_ERR_MISMATCH, "node %u: %s", line->node, line->text));
	}
	return true;
}

static void on_line(void *context, const struct cats_log_line *line)
{
	struct cats_stage *s = context;

	if (s->options.line != NULL)
		s->options.line(s->options.observer.context, line);
	if (s->status == CATS_OK && line->whole && !read_line(s, line))
		fail(s, cats_fail(s->error, CATS_ERR_MISMATCH, "node %u: not as this program knows it: %.200s",
				  line->node, line->text));
}

/* ---- What the network tells ---- */

static void on_serial(void *context, uint32_t chip, cats_time time, uint8_t byte)
{
	struct cats_stage *s = context;

	fail(s, cats_log_byte(s->log, chip, time, byte, s->error));
}

static void on_pin(void *context, uint32_t chip, cats_time time, uint32_t pin, bool high)
{
	struct cats_stage *s = context;

	(void)time;
	if (pin != LED_PIN)
		return;
	if (s->lit[chip] == high) {
		s->took_part[chip] = true;
		forget_lacks(s, chip);
	}
	s->lit[chip] = !high;
}

static void on_reset(void *context, uint32_t chip, cats_time time, enum cats_reset cause)
{
	struct cats_stage *s = context;

	(void)time;
	(void)cause;
	s->ready[chip] = false;
	cats_slack_clear(&s->slack[chip]);
	s->lit[chip] = false;
	s->took_part[chip] = false;
	forget_lacks(s, chip);
	s->report.resets++;
	fail(s, cats_log_reset(s->log, chip, s->error));
}

static void on_span(void *context, uint32_t node, enum cats_draw draw, cats_time from, cats_time to)
{
	struct cats_stage *s = context;
	const struct cats_observer *o = &s->options.observer;

	if (s->infers && to > s->report.start && o->span != NULL)
		o->span(o->context, node, draw, from > s->report.start ? from : s->report.start, to);
}

static void on_sent(void *context, const struct cats_transmission *frame)
{
	struct cats_stage *s = context;

	if (s->infers && s->options.observer.sent != NULL)
		s->options.observer.sent(s->options.observer.context, frame);
}

static void on_heard(void *context, const struct cats_transmission *frame, uint32_t receiver,
		     enum cats_reception result, double dbm)
{
	struct cats_stage *s = context;

	if (s->infers && s->options.observer.heard != NULL)
		s->options.observer.heard(s->options.observer.context, frame, receiver, result, dbm);
}

/* docs/SPEC-radio.md, 3: a beacon's copy number is before its status, if it has one; the site's low byte comes first.
 */
#define BEACON_COPY 5U
#define BEACON_STATUS 255U
#define BEACON_BYTES 6U

/* The gather that a packet is of is told as open at that moment. */
static void on_packet(void *context, const struct cats_ccm_packet *p, uint64_t time)
{
	struct watcher *w = context;
	struct cats_stage *s = w->stage;
	const bool beacon = cats_frame_kind_of(p->header) == CATS_FRAME_BEACON;
	const uint8_t *plain = p->plain + (beacon ? BEACON_BYTES : 0);
	const cats_time at = cats_clock_global(cats_chips_clock(s->chips, w->node), (cats_time)time);

	if (p->bytes <= (beacon ? BEACON_BYTES : 0) || (beacon && p->plain[BEACON_COPY] != BEACON_STATUS)) {
		w->site = 0;
		return;
	}
	w->site = (uint32_t)((int32_t)w->site + (int8_t)(uint8_t)(*plain - w->site));
	if (s->infers && at >= s->report.start && w->site < header(s, w->node)->site_count)
		s->options.observer.gather(s->options.observer.context, w->node, w->site, at, at);
}

static void watch(struct cats_stage *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct cats_chip *chip = cats_chips_at(s->chips, i);

		s->watchers[i] = (struct watcher){s, i, 0};
		cats_ccm_watch(cats_chip_peripheral(chip, CATS_CCM_BASE),
			       &(struct cats_ccm_watch){&s->watchers[i], on_packet});
	}
}

/* ---- Making it ---- */

static enum cats_status create_chips(struct cats_stage *s, struct cats_error *error)
{
	const struct cats_stage_options *o = &s->options;
	const struct cats_elf *images[CATS_DEVICES_MAX];
	const struct cats_chips_options options = {
		.images = images,
		.medium = {.topology = o->topology,
			   .link_loss = o->link_loss,
			   .burst_share = o->burst_share,
			   .seed = o->seed},
		.drift_ppm = o->drift_ppm,
		.power_on = POWER_ON,
		.fast = o->fast,
		.ccm_keeps_rate = o->ccm_keeps_rate,
		.observer = {.context = s,
			     .span = o->observer.span ? on_span : NULL,
			     .sent = o->observer.sent ? on_sent : NULL,
			     .heard = o->observer.heard ? on_heard : NULL},
		.serial = on_serial,
		.pin = on_pin,
		.reset = on_reset,
		.context = s,
	};

	for (uint32_t i = 0; i < s->count; i++)
		images[i] = o->firmware;
	return cats_chips_create(&s->chips, &options, error);
}

static enum cats_status create_log(struct cats_stage *s, struct cats_error *error)
{
	const struct cats_clock *clocks[CATS_DEVICES_MAX];

	for (uint32_t i = 0; i < s->count; i++) {
		clocks[i] = cats_chips_clock(s->chips, i);
		cats_slack_clear(&s->slack[i]);
	}
	return cats_log_create(&s->log, clocks, s->count, s->options.keeps_log, on_line, s, error);
}

static enum cats_status check_sizes(const struct cats_stage *s, struct cats_error *error)
{
	const struct cats_shards *shards = s->options.shards;

	for (uint32_t j = 0; j < s->count; j++)
		if (shards->sizes[j] > CATS_LAYOUT_SHARD_BYTES)
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: node %u: a shard of %zu bytes: flash has %d for it", shards->name, j,
					 shards->sizes[j], CATS_LAYOUT_SHARD_BYTES);
	return CATS_OK;
}

/* All flash is what `cats firmware` would write with that key, byte for byte. */
static enum cats_status flash(struct cats_stage *s, struct cats_error *error)
{
	uint8_t *bytes = malloc(CATS_LAYOUT_FLASH_BYTES);
	struct cats_firmware firmware = {0};
	struct cats_network network;
	enum cats_status status = cats_network_make(&network, CATS_NETWORK_CHANNEL, &s->options.seed, error);

	if (bytes == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "emulation: out of memory");
	if (status == CATS_OK)
		status = check_sizes(s, error);
	if (status == CATS_OK)
		status = cats_firmware_take(&firmware, s->options.firmware, error);
	for (uint32_t j = 0; status == CATS_OK && j < s->count; j++) {
		cats_firmware_compose(bytes, &firmware, s->options.shards, j, &network);
		cats_m4_flash(cats_chip_core(cats_chips_at(s->chips, j)), bytes);
	}
	cats_firmware_free(&firmware);
	free(bytes);
	return status;
}

static enum cats_status run(struct cats_stage *s, cats_time until, struct cats_error *error)
{
	enum cats_status status;

	s->error = error;
	status = cats_chips_run(s->chips, until, error);
	return status < 0 ? status : s->status;
}

/* Nobody computes or is in the middle of a line. */
static bool is_quiet(const struct cats_stage *s)
{
	const cats_time now = cats_chips_time(s->chips);

	for (uint32_t i = 0; i < s->count; i++) {
		const struct cats_chip *chip = cats_chips_at(s->chips, i);
		const uint64_t local = (uint64_t)cats_clock_local(cats_chips_clock(s->chips, i), now);

		if (!s->dead[i] && cats_chips_stopped(s->chips, i) == NULL &&
		    (!cats_chip_sleeps(chip) || cats_chip_next(chip) <= local || cats_log_is_open(s->log, i)))
			return false;
	}
	return true;
}

/* Until all have been ready and quiet for a while. */
static enum cats_status boot(struct cats_stage *s, struct cats_error *error)
{
	enum cats_status status = CATS_OK;
	cats_time busy = 0;
	uint32_t ready = 0;

	while (status == CATS_OK && cats_chips_time(s->chips) < BOOT_MAX && cats_chips_time(s->chips) < busy + QUIET) {
		status = run(s, cats_chips_time(s->chips) + STEP, error);
		while (ready < s->count && s->ready[ready])
			ready++;
		if (ready < s->count || !is_quiet(s))
			busy = cats_chips_time(s->chips);
	}
	if (status == CATS_OK && ready < s->count)
		status = cats_fail(error, CATS_ERR_MISMATCH, "node %u: it has not booted within a second", ready);
	return status;
}

/* Values of others that a node has in its view of a site. */
static uint64_t wanted_values(const struct cats_stage *s, uint32_t node, uint32_t site)
{
	const struct cats_shard_site *at = site_of(s, node, site);

	return (uint64_t)at->tokens * (at->columns - (uint32_t)senders_of(s, node, site)[node].columns);
}

static enum cats_status examine(struct cats_stage *s, struct cats_error *error)
{
	const struct cats_shard_header *h = header(s, 0);
	const uint32_t last = h->site_count - 1U;

	s->source = h->source;
	s->sink = h->sink == CATS_SINK_ALL ? 0 : h->sink;
	s->report.rows = site_of(s, s->sink, last)->tokens;
	s->report.columns = h->outputs;
	s->suffered = calloc(s->options.fault_count + 1U, sizeof *s->suffered);
	s->outputs = calloc((size_t)s->report.rows * s->report.columns, sizeof *s->outputs);
	s->there = calloc((size_t)s->report.rows * s->report.columns, 1);
	if (!s->suffered || !s->outputs || !s->there)
		return cats_fail(error, CATS_ERR_MEMORY, "emulation: out of memory");
	for (uint32_t node = 0; node < s->count; node++)
		for (uint32_t site = 0; site < h->site_count; site++)
			s->whole += wanted_values(s, node, site);
	return CATS_OK;
}

enum cats_status cats_stage_create(struct cats_stage **out, const struct cats_stage_options *options,
				   struct cats_error *error)
{
	struct cats_stage *s = calloc(1, sizeof *s);
	enum cats_status status;

	*out = NULL;
	if (s == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "emulation: out of memory");
	s->options = *options;
	s->count = options->shards->devices;
	status = examine(s, error);
	if (status == CATS_OK)
		status = create_chips(s, error);
	if (status == CATS_OK)
		status = create_log(s, error);
	if (status == CATS_OK && options->observer.gather != NULL)
		watch(s);
	if (status == CATS_OK)
		status = flash(s, error);
	if (status == CATS_OK)
		status = boot(s, error);
	if (status < 0) {
		cats_stage_free(s);
		return status;
	}
	*out = s;
	return CATS_OK;
}

void cats_stage_free(struct cats_stage *s)
{
	if (s == NULL)
		return;
	cats_chips_free(s->chips);
	cats_log_free(s->log);
	free(s->suffered);
	free(s->outputs);
	free(s->there);
	free(s->lacks);
	free(s);
}

struct cats_said_slack cats_stage_slack(const struct cats_stage *s, uint32_t node)
{
	return s->slack[node];
}

/* ---- An inference ---- */

static void measure(const struct cats_stage *s, cats_time spent[][CATS_DRAWS], uint64_t *instructions)
{
	for (uint32_t i = 0; i < s->count; i++) {
		cats_chips_spent(spent[i], s->chips, i);
		instructions[i] = cats_m4_instructions(cats_chip_core(cats_chips_at(s->chips, i)));
	}
}

/* The mark, the length, the input, its checksum (ports/nrf52840/layout.h). */
static enum cats_status send_input(struct cats_stage *s, const struct cats_fleet_input *input, struct cats_error *error)
{
	const void *payload = input->bytes ? (const void *)input->bytes : (const void *)input->values;
	const uint32_t crc = cats_checksum(0, payload, input->count);
	const size_t size = CATS_SERIAL_HEAD_BYTES + input->count + CATS_SERIAL_CRC_BYTES;
	struct cats_peripheral *uarte = cats_chip_peripheral(cats_chips_at(s->chips, s->source), CATS_UARTE0_BASE);
	const cats_time local = cats_clock_local(cats_chips_clock(s->chips, s->source), cats_chips_time(s->chips));
	uint8_t *bytes = malloc(size);
	enum cats_status status;

	if (bytes == NULL || input->count > UINT16_MAX) {
		free(bytes);
		return cats_fail(error, CATS_ERR_MISMATCH, "an input of %zu bytes cannot be sent", input->count);
	}
	bytes[0] = CATS_SERIAL_MARK;
	bytes[1] = (uint8_t)input->count;
	bytes[2] = (uint8_t)(input->count >> 8);
	memcpy(bytes + CATS_SERIAL_HEAD_BYTES, payload, input->count);
	memcpy(bytes + CATS_SERIAL_HEAD_BYTES + input->count, &crc, sizeof crc);
	status = cats_uarte_receive(uarte, bytes, size, error);
	free(bytes);
	s->report.start = cats_clock_global(cats_chips_clock(s->chips, s->source), local + (cats_time)size * BYTE_TIME);
	return status;
}

static void begin(struct cats_stage *s)
{
	const struct cats_stage_report before = s->report;

	s->report = (struct cats_stage_report){
		.class_ = -1,
		.rows = before.rows,
		.columns = before.columns,
		.outputs = s->outputs,
		.there = s->there,
		.took_part = s->took_part,
		.spent = s->spent,
		.instructions = s->instructions,
		.expected = s->whole,
		.arrived = s->whole,
		.frames = cats_chips_frames(s->chips),
		.air = cats_chips_air(s->chips),
	};
	memset(s->took_part, 0, sizeof s->took_part);
	memset(s->there, 0, (size_t)before.rows * before.columns);
	memset(s->outputs, 0, (size_t)before.rows * before.columns * sizeof *s->outputs);
}

/* The next fault of this inference, or NULL. */
static const struct cats_fault *next_fault(const struct cats_stage *s)
{
	const struct cats_fault *next = NULL;

	for (uint32_t i = 0; i < s->options.fault_count; i++) {
		const struct cats_fault *f = &s->options.faults[i];

		if (f->inference == s->inferences && !s->suffered[i] && (next == NULL || f->after < next->after))
			next = f;
	}
	return next;
}

static void suffer(struct cats_stage *s, const struct cats_fault *fault)
{
	s->suffered[fault - s->options.faults] = true;
	cats_chips_cut_power(s->chips, fault->node);
	s->dead[fault->node] = fault->kind == CATS_FAULT_KILL;
	if (!s->dead[fault->node])
		cats_chips_give_power(s->chips, fault->node);
}

/* Lets a step pass, or less if a fault is due before. */
static enum cats_status step(struct cats_stage *s, struct cats_error *error)
{
	const struct cats_fault *fault = next_fault(s);
	const cats_time now = cats_chips_time(s->chips);
	const cats_time due = fault != NULL ? s->report.start + fault->after : CATS_TIME_MAX;
	enum cats_status status;

	if (due > now + STEP)
		return run(s, now + STEP, error);
	status = run(s, due > now ? due : now, error);
	if (status == CATS_OK)
		suffer(s, fault);
	return status;
}

/* Until everybody is quiet for good; what was spent until that quiet began. */
static enum cats_status await(struct cats_stage *s, struct cats_error *error)
{
	const cats_time latest = s->report.start + INFERENCE_MAX;
	enum cats_status status = CATS_OK;
	uint64_t frames = cats_chips_frames(s->chips);
	bool quiet = false;

	s->report.end = s->report.start;
	while (status == CATS_OK && cats_chips_time(s->chips) < latest &&
	       cats_chips_time(s->chips) - s->report.end < (s->report.has_result ? QUIET : LOST)) {
		const bool was_quiet = quiet;

		status = step(s, error);
		quiet = is_quiet(s) && next_fault(s) == NULL && cats_chips_frames(s->chips) == frames;
		frames = cats_chips_frames(s->chips);
		if (!quiet || !was_quiet) {
			s->report.end = cats_chips_time(s->chips);
			measure(s, s->spent, s->instructions);
		}
	}
	return status;
}

static void finish(struct cats_stage *s)
{
	struct cats_stage_report *r = &s->report;

	for (uint32_t i = 0; i < s->count; i++) {
		for (uint32_t d = 0; d < CATS_DRAWS; d++)
			s->spent[i][d] -= s->spent_before[i][d];
		s->instructions[i] -= s->instructions_before[i];
		for (uint32_t site = 0; !s->took_part[i] && site < header(s, i)->site_count; site++)
			r->arrived -= wanted_values(s, i, site);
	}
	r->frames = cats_chips_frames(s->chips) - r->frames;
	r->air = cats_chips_air(s->chips) - r->air;
	r->latency = (r->has_result ? s->result_time : r->end) - r->start;
	r->lacks = s->lacks;
	s->inferences++;
}

enum cats_status cats_stage_infer(struct cats_stage_report *report, struct cats_stage *s,
				  const struct cats_fleet_input *input, struct cats_error *error)
{
	const struct cats_observer *o = &s->options.observer;
	enum cats_status status;

	begin(s);
	status = send_input(s, input, error);
	if (status == CATS_OK)
		status = run(s, s->report.start, error);
	if (status < 0)
		return status;
	s->infers = true;
	measure(s, s->spent_before, s->instructions_before);
	status = await(s, error);
	if (status < 0)
		return status;
	finish(s);
	if (o->inference != NULL)
		o->inference(o->context, s->report.start, s->report.end);
	*report = s->report;
	return CATS_OK;
}

/* ---- Afterwards ---- */

static uint32_t symbol(const struct cats_stage *s, const char *name)
{
	const struct cats_elf_symbol *found = cats_elf_find(s->options.firmware, name);

	return found ? found->address : 0;
}

struct cats_stage_memory cats_stage_memory(const struct cats_stage *s, uint32_t node)
{
	const struct cats_m4 *core = cats_chip_core(cats_chips_at(s->chips, node));
	const uint32_t thread = symbol(s, "__thread_stack_bottom"), thread_top = symbol(s, "__thread_stack_top");
	const uint32_t interrupt = symbol(s, "__interrupt_stack_bottom");
	const uint32_t interrupt_top = symbol(s, "__interrupt_stack_top");

	return (struct cats_stage_memory){
		.thread_stack_bytes = cats_m4_stack_used(core, thread, thread_top),
		.interrupt_stack_bytes =
			cats_m4_stack_used(core, interrupt + 4U, interrupt_top), /* behind its canary */
		.thread_stack_room = thread_top - thread,
		.interrupt_stack_room = interrupt_top - interrupt,
		.ram_bytes = symbol(s, "__bss_end") - CATS_LAYOUT_RAM + header(s, node)->arena_bytes,
		.flash_bytes = symbol(s, "__image_end") - CATS_LAYOUT_FIRMWARE + header(s, node)->bytes,
	};
}

const uint8_t *cats_stage_arena(const struct cats_stage *s, uint32_t node)
{
	return cats_m4_memory(cats_chip_core(cats_chips_at(s->chips, node)), CATS_LAYOUT_ARENA,
			      header(s, node)->arena_bytes);
}

struct cats_chips *cats_stage_chips(struct cats_stage *s)
{
	return s->chips;
}

enum cats_status cats_stage_write_log(struct cats_stage *s, const char *path, struct cats_error *error)
{
	return cats_log_write(s->log, path, error);
}
