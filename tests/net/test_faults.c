/* SPDX-License-Identifier: MIT */
/* Faults as scripts: each node killed, reborn, frozen, isolated, deaf or mute at each part of each gather; frames
 * forged, replayed, changed, shortened and delayed. Whatever happens: nothing is accepted that was not sent in that
 * gather, everyone ends by the deadlines, and after the fault the next inference is complete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/net/network.h"

#define DEVICES 5U
#define PAUSE_NS 3000000U
#define RECORDS 512U
#define REOPENING 8U
#define REOPENING_LOSS_Q32 (UINT32_MAX / 5U)

enum fault { KILL, REBOOT, FREEZE, ISOLATE, DEAFEN, MUTE, FAULTS };

/* Where in a gather it strikes: while the node computes, between openings at site 0, in the first slot, in the middle
 * of a part, in the last decision. */
enum moment { COMPUTING, FIRST_SLOT, MIDST, REPAIRING, STATING, DECIDING, MOMENTS };

struct script {
	enum fault fault;
	enum moment moment;
	uint8_t victim;
	uint16_t site;
	uint64_t struck_ns; /* 0: not yet */
	bool over;
};

static void strike(struct script *s, struct cats_ether_node *n, uint64_t now_ns)
{
	s->struck_ns = now_ns + 1U;
	n->dead = s->fault == KILL || s->fault == REBOOT;
	n->deaf = s->fault == ISOLATE || s->fault == DEAFEN;
	n->mute = s->fault == ISOLATE || s->fault == MUTE;
	if (s->fault == FREEZE)
		n->frozen_until_ns = now_ns + PAUSE_NS;
}

/* The gather is where the script wants it, by the victim's own idea. Gathers without statuses have no such part: there
 * it strikes in the part before. */
static bool is_there(const struct script *s, const struct cats_ether_node *n, uint64_t now_ns)
{
	const struct cats_net *net = &n->net;
	const uint64_t start_ns = n->results[s->site].start_ns;
	const bool begun = start_ns != 0 && now_ns > start_ns;

	if (net->phase != CATS_NET_PHASE_GATHER || net->site != s->site)
		return false;
	switch (s->moment) {
	case COMPUTING:
		return true;
	case FIRST_SLOT:
		return begun;
	case MIDST:
		return begun && now_ns > start_ns + net->layout.slots_us * 500U;
	case REPAIRING:
		return net->part >= CATS_NET_REPAIR || (begun && now_ns > start_ns + net->layout.slots_us * 900U);
	case STATING:
		return net->part >= CATS_NET_STATUS || (net->part == CATS_NET_REPAIR && net->layout.repairs > 0);
	default:
		return net->part == CATS_NET_DECIDE || (net->part == CATS_NET_REPAIR && net->layout.repairs > 0);
	}
}

/* A reborn or isolated node is back a while later. */
static void play(void *context, struct cats_ether *e, uint64_t now_ns)
{
	struct script *s = context;
	struct cats_ether_node *n = &e->nodes[s->victim];

	if (s->struck_ns == 0) {
		if (is_there(s, n, now_ns))
			strike(s, n, now_ns);
	} else if (!s->over && now_ns > s->struck_ns + PAUSE_NS) {
		s->over = true;
		if (s->fault == REBOOT)
			cats_ether_reboot(e, s->victim);
		n->deaf = n->mute = false;
	}
}

static void fail_script(const struct script *s, const char *what)
{
	fail_msg("fault %d at moment %d of node %u at site %u: %s", (int)s->fault, (int)s->moment, s->victim, s->site,
		 what);
}

/* Everybody but the victim ends by the deadlines; without a source there is nothing to end. */
static void check_ends(const struct script *s, const struct cats_ether *e)
{
	for (uint8_t i = 0; i < DEVICES && s->victim != 0; i++)
		if (i != s->victim && e->nodes[i].closed == 0)
			fail_script(s, "another node has not ended");
}

static void check_fault(struct script script, uint64_t seed, double loss)
{
	struct cats_net_site sites[NETWORK_SITES];
	const struct cats_ether_options options = {.devices = DEVICES,
						   .sites = NETWORK_SITES,
						   .site = sites,
						   .seed = seed,
						   .loss_q32 = (uint64_t)(loss * 4294967296.0),
						   .drift_ppm = 40,
						   .extreme = true,
						   .tick = play,
						   .context = &script};
	const uint8_t victim = script.victim;
	uint32_t ended;

	network_sites(sites, DEVICES);
	struct cats_ether *e = cats_ether_create(&options);
	assert_non_null(e);
	cats_ether_infer(e, network_longest_us(e));
	if (script.struck_ns == 0)
		fail_script(&script, "it never came to that");
	network_assert_sound(e);
	check_ends(&script, e);
	script.over = true;
	if (e->nodes[victim].dead)
		cats_ether_reboot(e, victim);
	e->nodes[victim].deaf = e->nodes[victim].mute = false;
	e->options.loss_q32 = 0;
	ended = cats_ether_infer(e, NETWORK_LIMIT_US);
	if (ended != DEVICES)
		fail_script(&script, "the next inference does not end");
	network_assert_complete(e);
	cats_ether_free(e);
}

static void test_each_fault(void **state)
{
	(void)state;
	for (int fault = KILL; fault < FAULTS; fault++)
		for (int moment = COMPUTING; moment < MOMENTS; moment++)
			for (uint8_t victim = 0; victim < DEVICES; victim++)
				for (uint16_t site = 0; site < NETWORK_SITES; site++)
					check_fault((struct script){.fault = (enum fault)fault,
								    .moment = (enum moment)moment,
								    .victim = victim,
								    .site = site},
						    0, 0);
}

/* The same on links that lose a tenth, with other draws, while the fault lasts. */
static void test_faults_among_losses(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		const struct script script = {
			.fault = (enum fault)cats_random_below(seed, 0, FAULTS),
			.moment = (enum moment)cats_random_below(seed, 1, COMPUTING + 3U),
			.victim = (uint8_t)cats_random_below(seed, 2, DEVICES),
			.site = (uint16_t)cats_random_below(seed, 3, NETWORK_SITES),
		};

		check_fault(script, seed, 0.05);
	}
}

/* A dead node costs no more than one deadline in an inference, however many gathers follow. */
static void test_cost_of_death(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	uint64_t healthy_ns, longest = 0, start_ns;

	(void)state;
	network_sites(sites, DEVICES);
	for (uint32_t i = 0; i < NETWORK_SITES; i++) {
		const uint32_t us = cats_net_site_deadline_us(&sites[i], DEVICES);

		longest = us > longest ? us : longest;
	}
	struct cats_ether *e = cats_ether_create(
		&(struct cats_ether_options){.devices = DEVICES, .sites = NETWORK_SITES, .site = sites});
	assert_non_null(e);
	cats_ether_infer(e, NETWORK_LIMIT_US);
	healthy_ns = e->now_ns;
	e->nodes[3].dead = true;
	for (uint32_t k = 0; k < 3; k++) {
		const struct cats_ether_result *last = e->nodes[0].results + NETWORK_SITES - 1U;

		start_ns = e->now_ns;
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES - 1U);
		assert_true(last->ended && last->end_ns > start_ns);
		/* The first time it is also given a second opening. */
		assert_true(last->end_ns - start_ns < (k == 0 ? 2U : 1U) * (healthy_ns + longest * 1000U));
		network_assert_sound(e);
	}
	cats_ether_free(e);
}

/* A first gather of long packets, which at so many losses ends at its deadline with combinations on the air, and a
 * short one. */
static void long_sites(struct cats_net_site *sites)
{
	const uint64_t all = (UINT64_C(1) << REOPENING) - 1U;

	memset(sites, 0, 2 * sizeof *sites);
	sites[0] = (struct cats_net_site){
		.compute_us = 2000, .tokens = 16, .payload_max = 240, .receivers = all & ~UINT64_C(1)};
	sites[0].token_bytes[0] = 60;
	sites[1] = (struct cats_net_site){.compute_us = 4000, .tokens = 4, .payload_max = 240, .receivers = all};
	for (uint32_t i = 0; i < REOPENING; i++)
		sites[1].token_bytes[i] = 4;
}

/* When the source opens an inference anew, nothing covers the openings: who does not follow missed all of them. */
static void test_reopening_is_heard(void **state)
{
	uint32_t reopened = 0, behind = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct cats_net_site sites[2];
		struct cats_ether *e;

		long_sites(sites);
		e = cats_ether_create(&(struct cats_ether_options){
			.devices = REOPENING, .sites = 2, .site = sites, .loss_q32 = REOPENING_LOSS_Q32, .seed = seed});
		assert_non_null(e);
		cats_ether_infer(e, NETWORK_LIMIT_US);
		e->nodes[3].dead = true;
		cats_ether_infer(e, NETWORK_LIMIT_US);
		if (e->nodes[0].net.reopened) {
			reopened++;
			for (uint32_t i = 1; i < REOPENING; i++)
				behind += i != 3 && e->nodes[i].net.epoch < e->nodes[0].net.epoch;
		}
		network_assert_sound(e);
		cats_ether_free(e);
	}
	/* Of 600 nodes that hear three openings each, at 0.008 for each 4.8 hear none; five deviations more. */
	assert_in_range(reopened, 80, 100);
	assert_in_range(behind, 0, 16);
}

/* Each death costs one epoch, in which the node can come back, however often it dies and however long it is away:
 * flash wears with each. */
static void test_epochs_of_death(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct cats_ether *e;

	(void)state;
	network_sites(sites, DEVICES);
	e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES, .sites = NETWORK_SITES, .site = sites});
	assert_non_null(e);
	for (uint32_t deaths = 0; deaths < 3; deaths++) {
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
		network_assert_complete(e);
		assert_int_equal(e->nodes[0].flash_epoch, deaths + 1U);
		e->nodes[3].dead = true;
		for (uint32_t k = 0; k < 5; k++) {
			assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES - 1U);
			assert_int_equal(e->nodes[0].flash_epoch, deaths + 2U);
		}
		cats_ether_reboot(e, 3);
	}
	cats_ether_free(e);
}

/* What an attacker has: everything that was on the air. */
struct attack {
	uint64_t seed, draws;
	uint32_t count;
	struct cats_ether_frame record[RECORDS];
	bool recording, replaying, forging, flipping, cutting, delaying, reordering, inside;
	uint32_t kinds; /* bit k: a frame of kind k was meddled with */
	struct cats_ether_frame held;
	bool holding;
	uint64_t last_ns;
};

static bool draw(struct attack *a, double p)
{
	return cats_random_event(a->seed, a->draws++, (uint64_t)(p * 4294967296.0)) != 0;
}

static uint32_t draw_below(struct attack *a, uint32_t n)
{
	return cats_random_below(a->seed, a->draws++, n);
}

static void flip(struct attack *a, uint8_t *bytes, uint32_t length)
{
	const uint32_t bit = draw_below(a, 8U * length);

	bytes[bit / 8U] = (uint8_t)(bytes[bit / 8U] ^ 1U << bit % 8U);
}

/* Opens a frame of the sender's, whose moment its own clock tells, and seals it again with other content: what a stolen
 * node could send. */
static void rewrite(struct attack *a, struct cats_ether *e, struct cats_ether_frame *f)
{
	const struct cats_net *net = &e->nodes[f->sender].net;
	const struct cats_aead *aead = &net->config.aead;
	struct cats_frame_moment moment = {0};
	uint8_t plain[CATS_AEAD_PLAIN_MAX];
	uint32_t bytes;

	if (cats_frame_parse(&moment, &bytes, f->bytes, f->length) != 0)
		return;
	moment.epoch = net->epoch;
	moment.inference = net->inference;
	for (uint32_t unit = 0; unit < 40000U; unit++) {
		if (!moment.beacon)
			moment.unit = unit;
		if (cats_frame_open(plain, aead, &moment, f->bytes, bytes) != 0)
			continue;
		for (uint32_t i = 0; i <= draw_below(a, 3U); i++)
			plain[draw_below(a, bytes < 8U ? bytes : 8U)] = (uint8_t)draw_below(a, 256U);
		f->length = cats_frame_seal(f->bytes, aead, &moment, cats_frame_kind_of(f->bytes[0]), plain, bytes);
		return;
	}
}

/* Frames that are held back go on air after the next. */
static bool hold(struct attack *a, const struct cats_ether_frame *f)
{
	if (a->holding && a->held.number == f->number)
		return false;
	if (a->holding || f->sender == 255U || !draw(a, 0.2))
		return true;
	a->held = *f;
	a->holding = true;
	return false;
}

static bool attack_frame(void *context, struct cats_ether *e, struct cats_ether_frame *f, uint8_t receiver)
{
	struct attack *a = context;

	(void)receiver;
	if (a->recording && a->count < RECORDS && (a->count == 0 || a->record[a->count - 1U].number != f->number))
		a->record[a->count++] = *f;
	if (!a->recording && f->length > 0)
		a->kinds |= 1U << cats_frame_kind_of(f->bytes[0]);
	if (a->flipping && draw(a, 0.2))
		flip(a, f->bytes, f->length);
	if (a->cutting && draw(a, 0.2)) {
		f->length = draw_below(a, f->length);
		if (f->length >= 2 && draw(a, 0.5))
			f->bytes[1] = (uint8_t)(f->length - 2U);
	}
	if (a->delaying && draw(a, 0.2))
		f->start_ns += 20000U + 1000U * draw_below(a, 5000U);
	if (a->inside && f->sender != 255U && draw(a, 0.02))
		rewrite(a, e, f);
	return !a->reordering || hold(a, f);
}

/* Puts a recorded, held or invented frame on the air every now and then. */
static void attack_air(void *context, struct cats_ether *e, uint64_t now_ns)
{
	struct attack *a = context;

	if (a->holding && e->flights == 0 && now_ns > a->held.end_ns + 200000U) {
		a->holding = false;
		cats_ether_inject(e, a->held.bytes, a->held.length);
	}
	if (now_ns < a->last_ns + 1500000U || e->flights > 0)
		return;
	a->last_ns = now_ns;
	if (a->replaying && a->count > 0) {
		const struct cats_ether_frame *f = &a->record[draw_below(a, a->count)];

		cats_ether_inject(e, f->bytes, f->length);
	} else if (a->forging) {
		uint8_t bytes[CATS_FRAME_BYTES_MAX];
		const uint32_t length = 2U + draw_below(a, 255U);

		for (uint32_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)cats_random_u64(a->seed, a->draws++);
		bytes[1] = (uint8_t)(length - 2U);
		cats_ether_inject(e, bytes, length);
	}
}

/* Bytes that an insider made up may be accepted; everything else stays as it is to be. */
static void assert_stands(const struct attack *a, const struct cats_ether *e)
{
	if (!a->inside)
		network_assert_sound(e);
	for (uint32_t i = 0; i < DEVICES; i++) {
		assert_int_equal(e->nodes[i].wrong_has, 0);
		assert_int_equal(e->nodes[i].late, 0);
	}
}

static void check_attack(const struct attack *of, uint64_t seed)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct attack *a = malloc(sizeof *a);
	struct cats_ether *e;

	network_sites(sites, DEVICES);
	assert_non_null(a);
	*a = (struct attack){.seed = seed, .recording = true};
	e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
							   .sites = NETWORK_SITES,
							   .site = sites,
							   .drift_ppm = 40,
							   .extreme = seed % 2U != 0,
							   .seed = seed,
							   .pass = attack_frame,
							   .tick = attack_air,
							   .context = a});
	assert_non_null(e);
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_complete(e);
	a->recording = false;
	a->replaying = of->replaying;
	a->forging = of->forging;
	a->flipping = of->flipping;
	a->cutting = of->cutting;
	a->delaying = of->delaying;
	a->reordering = of->reordering;
	a->inside = of->inside;
	for (uint32_t k = 0; k < 3; k++) {
		cats_ether_infer(e, network_longest_us(e));
		assert_stands(a, e);
	}
	assert_int_equal(a->kinds, 15); /* all four */
	*a = (struct attack){.seed = seed};
	for (uint32_t i = 0; i < DEVICES; i++)
		e->nodes[i].wrong_bytes = 0;
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_complete(e);
	cats_ether_free(e);
	free(a);
}

static void test_attacks(void **state)
{
	static const struct attack attacks[] = {
		{.replaying = true}, {.forging = true},  {.flipping = true},
		{.cutting = true},   {.delaying = true}, {.reordering = true},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
		for (uint64_t seed = 0; seed < 12; seed++)
			check_attack(&attacks[i], seed);
}

/* Traces with authentic frames that say anything: nobody hangs, lies or loses step for good. */
static void test_insider(void **state)
{
	static const struct attack attack = {.inside = true};

	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++)
		check_attack(&attack, seed);
}

/* Everything that was recorded, in its own time, from now on. */
static void play_back(struct cats_ether *e, const struct attack *a)
{
	const uint64_t begin_ns = e->now_ns + 1000000U;

	for (uint32_t i = 0; i < a->count; i++) {
		cats_ether_run(e, begin_ns + a->record[i].start_ns - a->record[0].start_ns);
		if (e->flights == 0)
			cats_ether_inject(e, a->record[i].bytes, a->record[i].length);
	}
	cats_ether_run(e, e->now_ns + 200000000U);
}

static void silence_others(struct cats_ether *e, uint8_t victim, bool silent)
{
	for (uint8_t i = 0; i < DEVICES; i++)
		e->nodes[i].deaf = e->nodes[i].mute = silent && i != victim;
}

/* What was recorded while a node was down takes it in once and no more, and only until the live network speaks. */
static void test_replay_to_the_reborn(void **state)
{
	static struct attack a;
	struct cats_net_site sites[NETWORK_SITES];
	const uint8_t victim = 3;
	uint32_t received;

	(void)state;
	network_sites(sites, DEVICES);
	a = (struct attack){.recording = true};
	struct cats_ether *e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
									      .sites = NETWORK_SITES,
									      .site = sites,
									      .drift_ppm = 40,
									      .pass = attack_frame,
									      .context = &a});
	assert_non_null(e);
	cats_ether_infer(e, NETWORK_LIMIT_US);
	assert_int_equal(e->nodes[victim].flash_epoch, 1);
	/* Its own epoch, played to its next life: not a frame. */
	cats_ether_reboot(e, victim);
	silence_others(e, victim, true);
	a.recording = false;
	play_back(e, &a);
	assert_int_equal(e->nodes[victim].net.counters.received, 0);
	/* The epoch that the source begins for it while it is down. */
	silence_others(e, victim, false);
	e->nodes[victim].dead = true;
	cats_ether_infer(e, NETWORK_LIMIT_US);
	a = (struct attack){.recording = true};
	cats_ether_infer(e, NETWORK_LIMIT_US);
	a.recording = false;
	assert_int_equal(e->nodes[0].net.epoch, 2);
	silence_others(e, victim, true);
	cats_ether_reboot(e, victim);
	play_back(e, &a);
	assert_int_equal(e->nodes[victim].net.epoch, 2);
	assert_int_equal(e->nodes[victim].flash_epoch, 2);
	assert_int_equal(e->nodes[victim].net.phase, CATS_NET_PHASE_IDLE);
	received = e->nodes[victim].net.counters.received;
	assert_true(received > 0);
	play_back(e, &a);
	assert_int_equal(e->nodes[victim].net.counters.received, received);
	assert_int_equal(e->nodes[victim].wrong_bytes, 0);
	silence_others(e, victim, false);
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_complete(e);
	cats_ether_free(e);
}

/* What its own frames mean to their sender: by kind, how often another node is taken to have its number, and not. */
struct echo {
	uint64_t told;     /* transmissions, the latest that was */
	uint32_t delay_us; /* of the echo */
	uint32_t twins[4], others[4];
};

static bool echo(void *context, struct cats_ether *e, struct cats_ether_frame *f, uint8_t receiver)
{
	struct echo *echo = context;
	struct cats_ether_node *n = &e->nodes[f->sender];
	int refusal;

	(void)receiver;
	if (f->number + 1U == echo->told)
		return true;
	echo->told = f->number + 1U;
	refusal = cats_net_receive(&n->net, n->clock_offset_us + f->start_ns / 1000U + echo->delay_us, f->bytes,
				   f->length);
	assert_true(refusal == CATS_FRAME_REFUSED_TWIN || refusal == CATS_FRAME_REFUSED_SENDER);
	if (refusal == CATS_FRAME_REFUSED_TWIN)
		echo->twins[cats_frame_kind_of(f->bytes[0])]++;
	else
		echo->others[cats_frame_kind_of(f->bytes[0])]++;
	return true;
}

/* A frame with the own number is a twin's if it is authentic and fresh, be it data, combination, status or beacon; else
 * somebody plays back what was sent once. Either way it changes nothing. */
static void test_own_number(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct echo heard = {0};
	struct cats_ether *e;

	(void)state;
	network_sites(sites, DEVICES);
	e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
							   .sites = NETWORK_SITES,
							   .site = sites,
							   .loss_q32 = UINT64_C(1) << 28,
							   .pass = echo,
							   .context = &heard});
	assert_non_null(e);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_sound(e);
	for (uint32_t kind = 0; kind < 4; kind++) {
		assert_true(heard.twins[kind] > 0);
		assert_int_equal(heard.others[kind], 0);
	}
	heard = (struct echo){.delay_us = 3000};
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_sound(e);
	for (uint32_t kind = 0; kind < 4; kind++) {
		assert_true(heard.others[kind] > 0);
		assert_int_equal(heard.twins[kind], 0);
	}
	cats_ether_free(e);
}

/* A node with another key or another plan: it is refused and counted, and all others have all but its packets. */
static void check_stranger(uint64_t strangers, uint64_t others)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct cats_ether *e;
	const uint8_t odd = 3;

	network_sites(sites, DEVICES);
	e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
							   .sites = NETWORK_SITES,
							   .site = sites,
							   .drift_ppm = 40,
							   .strangers = strangers,
							   .others = others});
	assert_non_null(e);
	for (uint32_t k = 0; k < 2; k++) {
		assert_int_equal(cats_ether_infer(e, network_longest_us(e)), DEVICES - 1U);
		network_assert_sound(e);
		for (uint8_t i = 0; i < DEVICES; i++)
			for (uint32_t s = 0; i != odd && s < NETWORK_SITES; s++) {
				const struct cats_net_layout *l = &e->layouts[s];
				const uint32_t odd_packets = (uint32_t)l->first[odd + 1U] - l->first[odd];
				const bool receives = (sites[s].receivers >> i & 1U) != 0;

				assert_int_equal(e->nodes[i].results[s].missing, receives ? odd_packets : 0);
			}
	}
	assert_int_equal(e->nodes[odd].net.phase, CATS_NET_PHASE_IDLE);
	assert_int_equal(e->nodes[odd].net.counters.received, 0);
	assert_true(e->nodes[odd].net.counters.refused > 10);
	cats_ether_free(e);
}

static void test_strangers(void **state)
{
	(void)state;
	check_stranger(UINT64_C(1) << 3, 0);
	check_stranger(0, UINT64_C(1) << 3);
}

/* Deadlines that a plan cannot keep: before the last slot they are refused, after it all end with what has arrived. */
static void test_impossible_deadlines(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct cats_net_layout layout;
	struct cats_ether_options options = {.devices = DEVICES, .sites = NETWORK_SITES, .site = sites};

	(void)state;
	network_sites(sites, DEVICES);
	for (uint32_t s = 0; s < NETWORK_SITES; s++) {
		assert_true(cats_net_layout_of(&layout, &sites[s], DEVICES));
		sites[s].deadline_us = layout.slots_us - 1U;
		assert_null(cats_ether_create(&options));
		sites[s].deadline_us = layout.slots_us;
	}
	options.loss_q32 = UINT32_MAX / 20U;
	struct cats_ether *e = cats_ether_create(&options);
	assert_non_null(e);
	for (uint32_t k = 0; k < 5; k++) {
		assert_int_equal(cats_ether_infer(e, network_longest_us(e)), DEVICES);
		network_assert_sound(e);
	}
	cats_ether_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fault),           cmocka_unit_test(test_faults_among_losses),
		cmocka_unit_test(test_cost_of_death),        cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_own_number),           cmocka_unit_test(test_insider),
		cmocka_unit_test(test_replay_to_the_reborn), cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_epochs_of_death),      cmocka_unit_test(test_reopening_is_heard),
		cmocka_unit_test(test_impossible_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
