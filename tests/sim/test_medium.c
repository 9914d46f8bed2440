/* SPDX-License-Identifier: MIT */
/* Virtual time, topologies, and the medium's rules one by one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "sim/faults.h"
#include "sim/world.h"
#include "tests/cmocka.h"

#define US CATS_TIME_US

static uint64_t seed;

static void events_come_in_order(void **state)
{
	struct cats_queue queue = {0};
	struct cats_event event, last = {.at = -1};
	uint32_t taken = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		event = (struct cats_event){.at = cats_random_below(seed, i, 50), .number = i};
		assert_int_equal(cats_queue_add(&queue, &event), CATS_OK);
		if (i % 3 == 2) {
			assert_true(cats_queue_take(&event, &queue));
			taken++;
		}
	}
	for (; cats_queue_take(&event, &queue); taken++) {
		assert_true(event.at > last.at || (event.at == last.at && event.number > last.number));
		last = event;
	}
	assert_int_equal(taken, 1000);
	assert_int_equal(cats_queue_next(&queue), CATS_TIME_MAX);
	cats_queue_free(&queue);
}

static void clocks_drift_and_invert(void **state)
{
	const struct cats_clock fast = {.offset = 1000, .drift_ppb = 40000}, slow = {.drift_ppb = -40000};

	(void)state;
	/* 40 ppm of a second are 40 us. */
	assert_int_equal(cats_clock_local(&fast, 1000000 * US), 1000 + 1000040 * US);
	assert_int_equal(cats_clock_local(&slow, 1000000 * US), 999960 * US);
	assert_int_equal(cats_clock_local(&fast, 0), 1000);
	for (uint32_t i = 0; i < 200; i++) {
		const struct cats_clock clock = cats_clock_draw(seed, i, 40, 64000000);
		const cats_time local = clock.offset + (cats_time)(cats_random_u64(seed, i) >> 20);
		const cats_time global = cats_clock_global(&clock, local);

		assert_in_range(abs(clock.drift_ppb), 0, 40000);
		assert_true(cats_clock_local(&clock, global) >= local);
		assert_true(cats_clock_local(&clock, global - 1) < local);
	}
}

static void open_topology(struct cats_topology *t, const char *spec, uint32_t nodes)
{
	struct cats_error error = {0};

	if (cats_topology_open(t, spec, nodes, seed, &error) < 0)
		fail_msg("%s", error.text);
}

static bool linked(const struct cats_topology *t, uint32_t i, uint32_t j)
{
	assert_true(t->path_db[i * t->nodes + j] == t->path_db[j * t->nodes + i]);
	return t->path_db[i * t->nodes + j] < CATS_NO_PATH_DB;
}

static void rules_link_whom_they_say(void **state)
{
	struct cats_topology t;

	(void)state;
	open_topology(&t, "full", 16);
	for (uint32_t i = 0; i < 256; i++)
		assert_true(i / 16 == i % 16 || linked(&t, i / 16, i % 16));
	open_topology(&t, "line:2", 16);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(linked(&t, i / 16, i % 16),
				 i / 16 != i % 16 && abs((int)(i / 16) - (int)(i % 16)) <= 2);
	open_topology(&t, "grid:2x3", 6);
	/* 0 1 2
	 * 3 4 5 */
	assert_true(linked(&t, 0, 1) && linked(&t, 1, 2) && linked(&t, 0, 3) && linked(&t, 2, 5) && linked(&t, 4, 5));
	assert_false(linked(&t, 2, 3) || linked(&t, 0, 4) || linked(&t, 0, 2));
}

static enum cats_status parse(struct cats_topology *t, const char *text, uint32_t nodes, struct cats_error *error)
{
	char copy[512];

	snprintf(copy, sizeof copy, "%s", text);
	return cats_topology_parse(t, copy, strlen(copy), "net.txt", nodes, seed, error);
}

static void a_file_gives_positions_and_links(void **state)
{
	struct cats_topology t;
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(parse(&t,
			       "# three in a row\nnodes 3\nshadowing 0\r\n\nnode 0 0 0\nnode 1 10 0\n"
			       "node 2  20 0 # far\ncut 0 2\nlink 1 2 60.5",
			       3, &error),
			 CATS_OK);
	assert_true(fabs(t.path_db[1] - (CATS_PATH_LOSS_1M_DB + 30)) < 1e-9);
	assert_true(t.path_db[5] == 60.5 && t.path_db[7] == 60.5);
	assert_false(linked(&t, 0, 2));
	assert_int_equal(parse(&t, "nodes 2\nlink 1 0 92\n", 2, &error), CATS_OK);
	assert_int_equal(parse(&t, "nodes 1\n", 1, &error), CATS_OK);
}

static void bad_topologies_are_refused_by_line_and_rule(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "is empty"},
		{"node 0 1 2\n", "line 1: the first line is \"nodes COUNT\""},
		{"nodes 3\n", "line 1: 3 nodes, the plan has 2 devices"},
		{"nodes two\n", "line 1: \"two\" is not a number from 1 to 64"},
		{"nodes 2\nnodes 2\n", "line 2: \"nodes\" is there twice"},
		{"nodes 2\nlink 0 1\n", "line 2: link I J DB"},
		{"nodes 2\nlink 0 1 70 80\n", "line 2: link I J DB"},
		{"nodes 2\nlink 0 2 70\n", "line 2: \"2\" is not a node from 0 to 1"},
		{"nodes 2\nlink 0 -1 70\n", "line 2: \"-1\" is not a node"},
		{"nodes 2\nlink 1 1 70\n", "line 2: a node and itself"},
		{"nodes 2\nlink 0 1 nan\n", "line 2: \"nan\" is not a number from 0 to 200"},
		{"nodes 2\nlink 0 1 0x10\n", "\"0x10\" is not a number"},
		{"nodes 2\nlink 0 1 70dB\n", "\"70dB\" is not a number"},
		{"nodes 2\nlink 0 1 1e999\n", "\"1e999\" is not a number"},
		{"nodes 2\nlink 0 1 70\n\ncut 1 0\n", "line 4: these two nodes have a line already"},
		{"nodes 2\nnode 0 1 1\nnode 0 1 2\n", "line 3: the node has a position already"},
		{"nodes 2\nnode 0 1 1\n", "node 1 has no position"},
		{"nodes 2\nwall 0 1\n", "line 2: \"wall\": none of"},
		{"nodes 2\n", "not connected: node 1 cannot be reached"},
		{"nodes 2\nlink 0 1 93\n", "not connected: node 1 cannot be reached"},
		{"nodes 2\nshadowing 0\nnode 0 0 0\nnode 1 9999 0\n", "not connected"},
	};
	struct cats_topology t;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cats_error error = {0};

		if (parse(&t, cases[i].text, 2, &error) >= 0)
			fail_msg("accepted: %s", cases[i].text);
		if (strstr(error.text, cases[i].says) == NULL || strstr(error.text, "net.txt: ") == NULL)
			fail_msg("\"%s\": says \"%s\", not \"%s\"", cases[i].text, error.text, cases[i].says);
	}
}

static void faults_are_read_or_refused_by_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"3 20 kill\n", "line 1: must be INFERENCE MS kill NODE"},
		{"\n3 20 kill 4\n", "line 2: \"4\" is not a node from 0 to 3"},
		{"-3 20 kill 1\n", "\"-3\" is not an inference"},
		{"3 -20 kill 1\n", "\"-20\" is not a number from 0"},
		{"3 20 kill 1 5\n", "line 1: must be INFERENCE MS"},
		{"3 20 freeze 1\n", "line 1: must be INFERENCE MS"},
		{"3 20 melt 1\n", "line 1: must be INFERENCE MS"},
	};
	char good[] = "# so it goes\n3 20 kill 1\n5 0 reboot 1\n7 10.5 freeze 2 30";
	struct cats_faults faults;

	(void)state;
	assert_int_equal(cats_faults_parse(&faults, good, strlen(good), "script", 4, NULL), CATS_OK);
	assert_int_equal(faults.count, 3);
	assert_int_equal(faults.list[1].kind, CATS_FAULT_REBOOT);
	assert_int_equal(faults.list[2].inference, 7);
	assert_int_equal(faults.list[2].after, 10500 * US);
	assert_int_equal(faults.list[2].lasting, 30000 * US);
	free(faults.list);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cats_error error = {0};
		char text[64];

		snprintf(text, sizeof text, "%s", cases[i].text);
		assert_true(cats_faults_parse(&faults, text, strlen(text), "script", 4, &error) < 0);
		if (strstr(error.text, cases[i].says) == NULL)
			fail_msg("\"%s\": says \"%s\", not \"%s\"", cases[i].text, error.text, cases[i].says);
	}
}

static void bad_rules_are_refused(void **state)
{
	static const char *const specs[] = {"line:",   "line:0",     "line:65",   "line:2x",
					    "line:-1", "grid:4",     "grid:4x5",  "grid:0x4",
					    "grid:4x", "grid:4x4x1", "grid:x4x4", "nowhere.txt"};
	struct cats_topology t;

	(void)state;
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct cats_error error = {0};

		assert_true(cats_topology_open(&t, specs[i], 16, 0, &error) < 0);
		assert_non_null(strstr(error.text, specs[i]));
	}
}

/* Nodes 0 … n-1 with the given path loss between each two of them, and a medium. */
static struct cats_medium *medium_of(struct cats_topology *t, uint32_t nodes, double db, double link_loss)
{
	const struct cats_medium_options options = {.topology = t, .link_loss = link_loss, .seed = seed};
	struct cats_medium *medium = NULL;

	t->nodes = nodes;
	for (uint32_t i = 0; i < nodes * nodes; i++)
		t->path_db[i] = i / nodes == i % nodes ? CATS_NO_PATH_DB : db;
	assert_int_equal(cats_medium_create(&medium, &options, NULL), CATS_OK);
	return medium;
}

static const struct cats_transmission *send_at(struct cats_medium *medium, uint32_t sender, cats_time at,
					       uint32_t length)
{
	static const uint8_t pdu[CATS_RADIO_PDU_MAX] = {7};
	const struct cats_transmission *frame =
		cats_medium_send(medium, sender, at, pdu, CATS_RADIO_HEADER_BYTES + length);

	assert_non_null(frame);
	return frame;
}

static void air_time_is_four_microseconds_a_byte(void **state)
{
	struct cats_topology t;
	struct cats_medium *medium = medium_of(&t, 2, 60, 0);
	const struct cats_transmission *frame = send_at(medium, 0, 100 * US, 255);

	(void)state;
	assert_int_equal(frame->end - frame->start, 266 * 4 * US);
	assert_int_equal(cats_transmission_address(frame), (100 + 24 + 5) * US);
	assert_int_equal(cats_radio_air(0), 44 * US);
	cats_medium_free(medium);
}

static void a_frame_is_heard_by_who_listened_from_its_first_bit(void **state)
{
	struct cats_topology t;
	struct cats_medium *medium = medium_of(&t, 4, 60, 0);
	const struct cats_transmission *frame;

	(void)state;
	cats_medium_listen(medium, 1, 100 * US);
	frame = send_at(medium, 0, 100 * US, 10);
	cats_medium_listen(medium, 2, 100 * US + 1);
	assert_true(cats_medium_address(medium, frame, 1));
	assert_false(cats_medium_address(medium, frame, 2));
	assert_false(cats_medium_address(medium, frame, 3));
	assert_ptr_equal(cats_medium_receiving(medium, 1), frame);
	assert_int_equal(cats_medium_end(medium, frame, 1), CATS_RECEIVED);
	assert_int_equal(cats_medium_end(medium, frame, 2), CATS_NOT_RECEIVED);
	cats_medium_free(medium);
}

static void who_sends_hears_nothing(void **state)
{
	struct cats_topology t;
	struct cats_medium *medium = medium_of(&t, 3, 60, 0);
	const struct cats_transmission *frame;

	(void)state;
	cats_medium_listen(medium, 1, 0);
	frame = send_at(medium, 0, 100 * US, 200);
	assert_true(cats_medium_address(medium, frame, 1));
	(void)send_at(medium, 1, 300 * US, 10); /* in the middle of what it was receiving */
	assert_int_equal(cats_medium_end(medium, frame, 1), CATS_NOT_RECEIVED);
	assert_false(cats_medium_listens(medium, 1, 1000 * US));
	cats_medium_free(medium);
}

/* How often, of `tries`, node 0 hears the frame of node 1 when node 2 disturbs it, `db` less loudly. */
static uint32_t heard_beside(double db, uint32_t tries, cats_time later)
{
	struct cats_topology t;
	const struct cats_medium_options options = {.topology = &t, .seed = seed};
	struct cats_medium *medium;
	uint32_t heard = 0;

	cats_medium_free(medium_of(&t, 3, 60, 0));
	t.path_db[2 * 3 + 0] = 60 + db;
	assert_int_equal(cats_medium_create(&medium, &options, NULL), CATS_OK);
	for (uint32_t i = 0; i < tries; i++) {
		const cats_time at = (cats_time)(i + 1) * 10000 * US;
		const struct cats_transmission *wanted;

		cats_medium_listen(medium, 0, at);
		wanted = send_at(medium, 1, at, 100);
		(void)send_at(medium, 2, at + later, 100);
		if (cats_medium_address(medium, wanted, 0))
			heard += cats_medium_end(medium, wanted, 0) == CATS_RECEIVED ? 1U : 0U;
	}
	cats_medium_free(medium);
	return heard;
}

static void the_stronger_is_captured(void **state)
{
	(void)state;
	/* 1 / (1 + e^-x) of x = 0, 2, -2 and far off; five deviations of a count of 2000 are at most 112. */
	assert_in_range(heard_beside(8, 2000, 0), 1000 - 112, 1000 + 112);
	assert_in_range(heard_beside(10, 2000, 0), 1762 - 73, 1762 + 73);
	assert_in_range(heard_beside(6, 2000, 0), 238 - 73, 238 + 73);
	assert_int_equal(heard_beside(30, 2000, 0), 2000);
	assert_int_equal(heard_beside(-10, 2000, 0), 0);
}

static void frames_collide_only_while_both_are_on_air(void **state)
{
	const cats_time air = cats_radio_air(100);

	(void)state;
	assert_int_equal(heard_beside(0, 50, air - 1), 0);
	assert_int_equal(heard_beside(0, 50, air), 50);
}

static void a_receiver_keeps_to_the_frame_that_it_took_up(void **state)
{
	struct cats_topology t;
	struct cats_medium *medium = medium_of(&t, 3, 60, 0);
	const struct cats_transmission *first, *second;

	(void)state;
	t.path_db[2 * 3 + 0] = 40; /* 20 dB louder, yet it comes after the first one's address */
	cats_medium_free(medium);
	assert_int_equal(cats_medium_create(&medium, &(struct cats_medium_options){.topology = &t, .seed = seed}, NULL),
			 CATS_OK);
	cats_medium_listen(medium, 0, 0);
	first = send_at(medium, 1, 100 * US, 100);
	assert_true(cats_medium_address(medium, first, 0));
	second = send_at(medium, 2, 200 * US, 100);
	assert_false(cats_medium_address(medium, second, 0));
	assert_int_equal(cats_medium_end(medium, first, 0), CATS_RECEIVED_BROKEN);
	assert_int_equal(cats_medium_end(medium, second, 0), CATS_NOT_RECEIVED);
	cats_medium_free(medium);
}

static uint32_t heard_of(struct cats_medium *medium, uint32_t tries, uint32_t length)
{
	uint32_t heard = 0;

	for (uint32_t i = 0; i < tries; i++) {
		const cats_time at = (cats_time)(i + 1) * 10000 * US;
		const struct cats_transmission *frame;

		cats_medium_listen(medium, 1, at);
		frame = send_at(medium, 0, at, length);
		if (cats_medium_address(medium, frame, 1))
			heard += cats_medium_end(medium, frame, 1) == CATS_RECEIVED ? 1U : 0U;
	}
	cats_medium_free(medium);
	return heard;
}

static void links_lose_their_share(void **state)
{
	struct cats_topology t;

	(void)state;
	/* Five deviations of a count of 4000 at 10 % are 95. */
	assert_in_range(heard_of(medium_of(&t, 2, 60, 0.1), 4000, 50), 3600 - 95, 3600 + 95);
	assert_int_equal(heard_of(medium_of(&t, 2, 60, 1), 100, 50), 0);
	assert_int_equal(heard_of(medium_of(&t, 2, 60, 0), 100, 50), 100);
	assert_in_range(heard_of(medium_of(&t, 2, 92, 0), 4000, 50), 2000 - 158, 2000 + 158); /* at the sensitivity */
	assert_int_equal(heard_of(medium_of(&t, 2, CATS_NO_PATH_DB, 0), 100, 50), 0);
}

static void interferers_burst_their_share(void **state)
{
	struct cats_topology t;
	struct cats_medium_options options = {.topology = &t, .burst_share = 0.25, .seed = seed};
	struct cats_medium *medium;

	(void)state;
	cats_medium_free(medium_of(&t, 2, 80, 0)); /* 20 dB below the interferer */
	/* A frame of 64 us that begins with a stretch lies within it: lost when it has a burst. */
	assert_int_equal(cats_medium_create(&medium, &options, NULL), CATS_OK);
	assert_in_range(heard_of(medium, 4000, 5), 3000 - 137, 3000 + 137);
	options.burst_share = 1;
	assert_int_equal(cats_medium_create(&medium, &options, NULL), CATS_OK);
	assert_int_equal(heard_of(medium, 100, 5), 0);
	cats_medium_free(medium_of(&t, 2, 40, 0)); /* 20 dB above */
	assert_int_equal(cats_medium_create(&medium, &options, NULL), CATS_OK);
	assert_int_equal(heard_of(medium, 100, 5), 100);
}

/* A world of two: node 0 sends at 1 ms of its own clock, node 1 listens from … to of its own. */
struct pair {
	cats_time from, until, air_start;
	uint32_t frames, silences, sent, missed;
	cats_time heard_at;
};

static void pair_news(void *context, struct cats_world *world, uint32_t node, const struct cats_news *news)
{
	struct pair *p = context;
	const uint8_t pdu[12] = {1, 10};

	if (news->kind == CATS_NEWS_WAKE && node == 0)
		cats_world_send(world, 0, p->air_start, pdu, sizeof pdu);
	if (news->kind == CATS_NEWS_WAKE && node == 1)
		cats_world_listen(world, 1, p->from, p->until);
	p->frames += news->kind == CATS_NEWS_FRAME ? 1U : 0U;
	p->silences += news->kind == CATS_NEWS_SILENCE ? 1U : 0U;
	p->sent += news->kind == CATS_NEWS_SENT ? 1U : 0U;
	p->missed += news->kind == CATS_NEWS_MISSED ? 1U : 0U;
	if (news->kind == CATS_NEWS_FRAME)
		p->heard_at = news->start_local;
}

static struct cats_world *run_pair(struct pair *p, cats_time from_us, cats_time until_us, uint32_t drift_ppm)
{
	struct cats_topology t;
	const struct cats_world_options options = {
		.medium = {.topology = &t, .seed = seed},
		.drift_ppm = drift_ppm,
		.synchronous_start = true,
		.news = pair_news,
		.context = p,
	};
	struct cats_world *world;

	*p = (struct pair){.from = from_us * US, .until = until_us * US, .air_start = 1000 * US};
	cats_medium_free(medium_of(&t, 2, 60, 0));
	assert_int_equal(cats_world_create(&world, &options, NULL), CATS_OK);
	cats_world_wake(world, 0, 0, 0);
	cats_world_wake(world, 1, 0, 0);
	assert_int_equal(cats_world_run(world, 5000 * US, NULL), CATS_OK);
	return world;
}

static void windows_open_and_close_as_planned(void **state)
{
	struct pair p;

	(void)state;
	cats_world_free(run_pair(&p, 1000, 1030, 0));
	assert_int_equal(p.frames, 1);
	assert_int_equal(p.heard_at, 1000 * US);
	assert_int_equal(p.sent, 1);
	cats_world_free(run_pair(&p, 1001, 1100, 0)); /* ready 1 us too late */
	assert_int_equal(p.frames, 0);
	assert_int_equal(p.silences, 1);
	cats_world_free(run_pair(&p, 900, 1028, 0)); /* closed 1 us before the ADDRESS event */
	assert_int_equal(p.frames, 0);
	assert_int_equal(p.silences, 1);
}

static void energy_is_the_sum_of_states(void **state)
{
	struct pair p;
	cats_time spent[CATS_DRAWS];
	struct cats_world *world = run_pair(&p, 990, 1100, 0);

	(void)state;
	/* 10 bytes of payload: 84 us on air. */
	cats_world_spent(spent, world, 0);
	assert_int_equal(spent[CATS_DRAW_SEND], (40 + 84) * US);
	assert_int_equal(spent[CATS_DRAW_HEAR], 0);
	assert_int_equal(spent[CATS_DRAW_BASE], 5000 * US);
	cats_world_spent(spent, world, 1);
	assert_int_equal(spent[CATS_DRAW_SEND], 0);
	assert_int_equal(spent[CATS_DRAW_HEAR], (41 + 10 + 84 + 5) * US);
	assert_int_equal(spent[CATS_DRAW_CPU], 0);
	/* 5 ms · 0.2532 mA · 3 V + 140 us · 5.2 mA · 3 V */
	assert_true(fabs(cats_energy_uj(spent) - (3.798 + 2.184)) < 1e-9);
	cats_world_free(world);
}

static void a_frame_too_late_to_ramp_up_is_missed(void **state)
{
	struct pair p = {.air_start = 39 * US, .until = 1};
	struct cats_topology t;
	const struct cats_world_options options = {
		.medium = {.topology = &t}, .synchronous_start = true, .news = pair_news, .context = &p};
	struct cats_world *world;

	(void)state;
	cats_medium_free(medium_of(&t, 2, 60, 0));
	assert_int_equal(cats_world_create(&world, &options, NULL), CATS_OK);
	cats_world_wake(world, 0, 0, 0);
	assert_int_equal(cats_world_run(world, CATS_TIME_MAX, NULL), CATS_OK);
	assert_int_equal(p.missed, 1);
	assert_int_equal(p.sent, 0);
	assert_int_equal(cats_world_air(world), 0);
	cats_world_free(world);
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_in_order),
		cmocka_unit_test(clocks_drift_and_invert),
		cmocka_unit_test(rules_link_whom_they_say),
		cmocka_unit_test(a_file_gives_positions_and_links),
		cmocka_unit_test(bad_topologies_are_refused_by_line_and_rule),
		cmocka_unit_test(faults_are_read_or_refused_by_line),
		cmocka_unit_test(bad_rules_are_refused),
		cmocka_unit_test(air_time_is_four_microseconds_a_byte),
		cmocka_unit_test(a_frame_is_heard_by_who_listened_from_its_first_bit),
		cmocka_unit_test(who_sends_hears_nothing),
		cmocka_unit_test(the_stronger_is_captured),
		cmocka_unit_test(frames_collide_only_while_both_are_on_air),
		cmocka_unit_test(a_receiver_keeps_to_the_frame_that_it_took_up),
		cmocka_unit_test(links_lose_their_share),
		cmocka_unit_test(interferers_burst_their_share),
		cmocka_unit_test(windows_open_and_close_as_planned),
		cmocka_unit_test(energy_is_the_sum_of_states),
		cmocka_unit_test(a_frame_too_late_to_ramp_up_is_missed),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
