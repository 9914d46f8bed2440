/* SPDX-License-Identifier: MIT */
/* What a node knows of the gather at hand, and what follows from it as time passes. See protocol_private.h. */
#include <string.h>

#include "net/estimate.h"
#include "net/protocol_private.h"

/* So many slots of others without a frame are no chance: at a loss of 20 % one in 15,000. */
#define SILENT_SLOTS 6U

void cats_net_update_storing(struct cats_net *n)
{
	n->storing = n->phase == CATS_NET_PHASE_GATHER && n->told == n->site && n->ready == n->site + 1U;
	if (n->storing)
		cats_repair_own(&n->repair, n->config.self, n->own_ready);
}

/* Who sends is to be ready for the first frame to be made, who only receives when that frame has come. */
static int64_t needed_us(const struct cats_net *n)
{
	if (cats_net_in(n->senders, n->config.self))
		return (int64_t)n->start_us - n->config.lead_us - CATS_NET_SLACK_US;
	return (int64_t)n->start_us + cats_net_data_slot_us(n, cats_net_member(n->senders, 0), 0);
}

void cats_net_note_ready(struct cats_net *n, int64_t now_us)
{
	int64_t spare_us;

	if (n->noted || n->layout.packets == 0)
		return;
	spare_us = needed_us(n) - now_us;
	n->noted = true;
	n->counters.unready += spare_us < 0;
	if (spare_us < n->counters.least_ready_us)
		n->counters.least_ready_us = spare_us < INT32_MIN ? INT32_MIN : (int32_t)spare_us;
}

static void clear_block(struct cats_net *n)
{
	n->decided = false;
	n->next_repairs = 0;
	memset(n->deficits, 0, sizeof(n->deficits));
}

/* Everything of the gather before is forgotten. */
static void clear_gather(struct cats_net *n)
{
	clear_block(n);
	/* Without statuses the end is agreed beforehand. */
	n->ending = n->layout.repairs > 0;
	n->block = 0;
	n->repairs = 0;
	n->block_us = CATS_NET_NEVER;
	n->complete = n->held = n->helpers = 0;
	n->alive = n->heard = cats_net_bit(n->config.self);
	n->alive_before = n->alive_older = 0;
	n->first_repairs = n->layout.repairs > 0 ? (uint8_t)n->layout.repairs : CATS_NET_UNDECIDED;
	n->passed = n->lost = 0;
	memset(n->reported_passed, 0, sizeof(n->reported_passed));
	memset(n->reported_lost, 0, sizeof(n->reported_lost));
	memset(n->needs, 0, sizeof(n->needs));
}

void cats_net_enter(struct cats_net *n, uint16_t site, uint32_t after_us)
{
	n->site = site;
	memset(&n->desc, 0, sizeof(n->desc));
	/* cats_net_init has asked for every site. */
	(void)n->config.site(n->config.context, &n->desc, site);
	(void)cats_net_layout_of(&n->layout, &n->desc, n->config.devices);
	n->desc.receivers &= cats_net_all(n);
	n->senders = 0;
	for (uint32_t i = 0; i < n->config.devices; i++)
		if (n->layout.first[i] < n->layout.first[i + 1U])
			n->senders |= cats_net_bit(i);
	n->everyone = n->senders | n->desc.receivers;
	n->start_us = cats_net_round_up(after_us + n->desc.compute_us);
	n->deadline_us = n->start_us + cats_net_round_up(n->layout.deadline_us);
	n->part = CATS_NET_SLOTS;
	n->part_us = n->start_us;
	n->turn = cats_net_first_turn(n, 0);
	clear_gather(n);
	n->repair.layout = &n->layout;
	n->repair.site = &n->desc;
	n->repair.store = &n->config.store;
	n->repair.rows = n->config.rows;
	n->repair.row_count = n->config.row_count;
	cats_repair_start(&n->repair);
	cats_net_cursor_start(n);
	n->storing = n->noted = false;
	cats_net_update_storing(n);
}

/* When all can have the first gather open: the openings, and what is between a gather's end and the next. */
#define OPENED_US cats_net_round_up(CATS_NET_OPENINGS *cats_net_opening_us() + CATS_NET_BETWEEN_US)

void cats_net_begin(struct cats_net *n, uint32_t epoch, uint32_t inference, uint64_t base_us, uint64_t now_us)
{
	n->epoch = n->wanted_epoch = epoch;
	n->inference = inference;
	n->base_us = base_us;
	n->synced_us = now_us;
	n->agreed = false;
	n->phase = CATS_NET_PHASE_GATHER;
	n->tell_opened = true;
	n->tell_closed = false;
	n->told = n->ready = 0;
	n->dead = 0;
	n->last_end_us = 0;
	n->openings = 0;
	n->sent_us = CATS_NET_NEVER;
	n->pending = false;
	cats_net_enter(n, 0, 0);
	/* Who hears the last opening only begins after it. Nobody waits where nothing is sent. */
	const uint32_t opened_us = n->layout.packets > 0 ? OPENED_US : CATS_NET_OPENINGS * cats_net_opening_us();

	if (n->start_us < opened_us) {
		const uint32_t late = opened_us - n->start_us;

		n->start_us += late;
		n->part_us += late;
		n->deadline_us += late;
	}
}

/* Devices that this node has no reason to wait for: silent, as far as anybody knows, in an earlier gather of this
 * inference, or in all slots and statuses of two whole blocks of this one. Who hears nobody at all doubts itself
 * instead. */
static uint64_t gone(const struct cats_net *n)
{
	const uint64_t self = cats_net_bit(n->config.self);
	const bool whole = n->part == CATS_NET_DECIDE;
	const uint64_t recent = n->alive | n->alive_before | (whole ? 0 : n->alive_older);

	if (n->block + (whole ? 1U : 0U) < 2U || recent == self)
		return n->dead;
	return n->dead | ~recent;
}

/* Whose packets this node does not wait for: its own, which it may still compute, neither. */
static uint64_t unawaited(const struct cats_net *n)
{
	return (gone(n) & cats_net_all(n)) | cats_net_bit(n->config.self);
}

/* Packets count as missing only while their sender may still be there. */
bool cats_net_is_complete(const struct cats_net *n)
{
	uint32_t here = n->repair.count;

	/* Nobody waits for a node that is still computing. */
	if (!n->storing || !cats_net_in(n->desc.receivers, n->config.self) || cats_repair_has_all(&n->repair))
		return true;
	for (uint64_t lost = unawaited(n); lost != 0; lost &= lost - 1U)
		here += n->repair.lacking[__builtin_ctzll(lost)];
	return here == n->layout.packets;
}

/* What nobody waits for is not lacking. */
static void leave_out(uint8_t *own, const struct cats_net *n, uint32_t device)
{
	for (uint32_t k = n->layout.first[device]; k < n->layout.first[device + 1U]; k++)
		if (!cats_repair_has(&n->repair, k))
			own[k % n->layout.generations]--;
}

/* Of each generation; counted, for hundreds of packets cannot be looked at one by one between two frames. */
static void add_deficits(struct cats_net *n)
{
	uint8_t own[CATS_NET_GENERATIONS_MAX];

	if (!cats_net_in(n->desc.receivers, n->config.self) || !n->storing || cats_repair_has_all(&n->repair))
		return;
	for (uint32_t g = 0; g < n->layout.generations; g++)
		own[g] = (uint8_t)(cats_repair_size(&n->layout, g) - n->repair.had[g]);
	for (uint64_t lost = unawaited(n); lost != 0; lost &= lost - 1U)
		if (n->repair.lacking[__builtin_ctzll(lost)] > 0)
			leave_out(own, n, (uint32_t)__builtin_ctzll(lost));
	/* Combinations that wait in rows are worth a packet each. */
	for (uint32_t i = 0; i < n->config.row_count; i++)
		if (n->config.rows[i].used && own[n->config.rows[i].generation] > 0)
			own[n->config.rows[i].generation]--;
	for (uint32_t g = 0; g < n->layout.generations; g++)
		if (own[g] > n->deficits[g])
			n->deficits[g] = own[g];
}

/* Slots that could be heard, and those of them that were not, in this gather as far as it was reported. */
static void count_losses(uint32_t *passed, uint32_t *lost, const struct cats_net *n)
{
	*passed = n->passed;
	*lost = n->lost;
	for (uint32_t i = 0; i < n->config.devices; i++) {
		*passed += n->reported_passed[i];
		*lost += n->reported_lost[i];
	}
}

/* The network's rate of losses, in 1/65536: this gather's counts and what is remembered of those before. */
static uint32_t loss_q16(const struct cats_net *n)
{
	uint32_t passed, lost;

	count_losses(&passed, &lost, n);
	passed += n->past_passed;
	lost += n->past_lost;
	return passed == 0 ? 0 : (uint32_t)((uint64_t)lost * 65536U / passed);
}

/* Half of the past is forgotten with each gather: links change slowly. */
static void remember_losses(struct cats_net *n)
{
	uint32_t passed, lost;

	count_losses(&passed, &lost, n);
	n->past_passed = (n->past_passed + passed) / 2U;
	n->past_lost = (n->past_lost + lost) / 2U;
}

/* A block of so many repairs, from its beginning to its end. */
static uint32_t block_us(const struct cats_net *n, uint32_t repairs)
{
	return repairs * cats_net_slot_us(n, CATS_NET_REPAIR) + cats_net_pause_us(n) +
	       cats_net_round_up(cats_repair_decode_us(&n->layout)) +
	       cats_net_count(n->desc.receivers) * cats_net_slot_us(n, CATS_NET_STATUS) + cats_net_pause_us(n) +
	       n->layout.deciders * cats_net_step_us(n, CATS_NET_DECIDE);
}

/* So many that statuses and one combination more still fit before the deadline. */
static uint32_t most_first_repairs(const struct cats_net *n)
{
	const uint32_t coded_us = cats_net_slot_us(n, CATS_NET_REPAIR);
	const uint32_t after_us = block_us(n, 1) + cats_net_making_us(n) +
				  cats_net_round_up(cats_repair_decode_us(&n->layout)) + n->layout.slots_us;
	const uint32_t all_us = n->deadline_us - n->start_us;

	return all_us > after_us ? (all_us - after_us) / coded_us : 0;
}

/* Before anybody said what it lacks. A round of statuses costs as much as a few slots of a small site, but little of a
 * large one: there only a part is sent before the first round, which then asks for exactly the rest. */
uint8_t cats_net_first_repairs(const struct cats_net *n)
{
	const uint32_t loss = loss_q16(n), receivers = cats_net_count(n->desc.receivers);
	/* Generations have so many packets or, the first of them, one more. */
	const uint32_t size = n->layout.packets / n->layout.generations;
	const uint32_t larger = n->layout.packets % n->layout.generations;
	uint32_t sum = (n->layout.generations - larger) * cats_estimate_worst(size, loss, receivers);

	if (larger > 0)
		sum += larger * cats_estimate_worst(size + 1U, loss, receivers);
	if (sum > n->layout.packets / 2U)
		sum = n->layout.packets / 2U;
	/* Each generation's worst is exceeded in half of all cases: the more there are, the surer one is. */
	if (sum > 0)
		sum += n->layout.generations - 1U;
	sum = cats_estimate_sent(sum, loss);
	return (uint8_t)(sum < most_first_repairs(n) ? sum : most_first_repairs(n));
}

void cats_net_begin_part(struct cats_net *n, enum cats_net_part part, uint32_t part_us)
{
	n->part = part;
	n->part_us = part_us;
}

void cats_net_begin_block(struct cats_net *n, uint8_t block, uint8_t repairs, uint32_t part_us)
{
	if (block > n->block) {
		n->block = block;
		n->turn = cats_net_first_turn(n, block);
		n->alive_older = n->alive_before;
		n->alive_before = n->alive;
		n->alive = cats_net_bit(n->config.self);
	}
	n->helpers = n->complete;
	memcpy(n->needs, n->deficits, sizeof(n->needs));
	clear_block(n);
	n->repairs = repairs;
	cats_net_begin_part(n, CATS_NET_REPAIR, part_us);
}

/* Whose packets somebody has to the last: those can be passed on. */
static void add_held(struct cats_net *n)
{
	if (!n->storing || !cats_net_in(n->desc.receivers, n->config.self))
		return;
	if (cats_repair_has_all(&n->repair)) {
		n->held |= cats_net_all(n) & ~cats_net_bit(n->config.self);
		return;
	}
	for (uint32_t i = 0; i < n->config.devices; i++)
		if (i != n->config.self && n->repair.lacking[i] == 0)
			n->held |= cats_net_bit(i);
}

bool cats_net_all_complete(const struct cats_net *n)
{
	const uint64_t need = n->desc.receivers & ~gone(n);

	return (n->complete & need) == need;
}

/* After everybody said what it lacks. A decision stands unless its maker did not know of somebody's need. Whoever was
 * not heard may need something: one slot at least, in which others' frames say how many they are. */
void cats_net_decide(struct cats_net *n)
{
	uint32_t sum = 0;

	for (uint32_t g = 0; g < n->layout.generations; g++)
		sum += n->deficits[g];
	if (sum == 0 && !cats_net_all_complete(n))
		sum = 1;
	if (!n->decided || n->next_repairs < sum)
		n->next_repairs = (uint8_t)cats_estimate_sent(sum, loss_q16(n));
	n->decided = true;
}

void cats_net_look(struct cats_net *n)
{
	add_deficits(n);
	add_held(n);
	if (cats_net_is_complete(n))
		n->complete |= cats_net_bit(n->config.self);
}

void cats_net_finish(struct cats_net *n, uint32_t end_us, uint32_t *how)
{
	const uint64_t self = cats_net_bit(n->config.self);
	/* Without statuses nobody passes on who was heard: a lost frame is no silence. */
	const uint64_t silent = n->layout.repairs > 0 ? 0 : n->everyone & ~n->heard;

	++*how;
	cats_net_note_ready(n, end_us); /* who was not ready at all */
	n->agreed = n->ending && (n->layout.repairs == 0 || n->heard != self);
	n->dead = (n->dead | silent) & ~n->heard & ~self;
	n->present = (n->present & ~silent) | n->heard;
	n->given &= ~n->heard;
	n->last_end_us = end_us;
	remember_losses(n);
	if (n->site + 1U < n->config.sites) {
		cats_net_enter(n, (uint16_t)(n->site + 1U), end_us);
		return;
	}
	n->site++;
	n->phase = CATS_NET_PHASE_IDLE;
	n->storing = false;
	n->tell_closed = true;
}

/* Everything is here and nobody is to be heard in this block: the end may have been agreed while this node alone missed
 * it. */
static bool hears_nothing(const struct cats_net *n)
{
	const uint64_t self = cats_net_bit(n->config.self);

	return n->part == CATS_NET_STATUS && n->block_us != CATS_NET_NEVER && n->alive == self &&
	       ((n->alive_before | n->alive_older) & ~self) != 0 && cats_net_is_complete(n);
}

/* To collide with everything sounds like silence, too: with no word that all are complete it takes two blocks. */
static bool missed_end(const struct cats_net *n)
{
	if (!hears_nothing(n))
		return false;
	return n->alive_before == cats_net_bit(n->config.self) ||
	       (cats_net_count(n->desc.receivers) > SILENT_SLOTS && cats_net_all_complete(n));
}

/* When the part at hand is over: STATUS for whoever hears nothing as soon as that is no chance any more. */
uint32_t cats_net_wake_us(const struct cats_net *n)
{
	const uint32_t end_us = cats_net_part_end_us(n);
	uint32_t silent_us;

	if (!missed_end(n))
		return end_us;
	silent_us = n->part_us + (SILENT_SLOTS + 1U) * cats_net_slot_us(n, CATS_NET_STATUS) + cats_net_pause_us(n);
	return silent_us < end_us ? silent_us : end_us;
}

/* Statuses for which there is no time before the deadline give way to combinations until then. */
static uint8_t until_deadline(const struct cats_net *n, uint8_t repairs, uint32_t part_us)
{
	const uint32_t slot_us = cats_net_slot_us(n, CATS_NET_REPAIR);
	const uint32_t left_us = n->deadline_us > part_us ? n->deadline_us - part_us : 0;
	uint32_t fitting = left_us / slot_us;

	if (n->layout.repairs > 0 || block_us(n, repairs) <= left_us)
		return repairs;
	fitting = fitting < CATS_NET_REPAIRS_MAX ? fitting : CATS_NET_REPAIRS_MAX;
	return fitting > repairs ? (uint8_t)fitting : repairs;
}

static void end_slots(struct cats_net *n, uint32_t end_us)
{
	if (n->first_repairs == CATS_NET_UNDECIDED)
		n->first_repairs = 0;
	for (uint32_t g = 0; g < n->layout.generations; g++)
		n->deficits[g] = (uint8_t)((n->first_repairs + n->layout.generations - 1U - g) / n->layout.generations);
	cats_net_begin_block(n, 0, until_deadline(n, n->first_repairs, end_us), end_us);
}

static void end_decide(struct cats_net *n, uint32_t end_us)
{
	const uint32_t decided_us = cats_net_decide_end_us(n);

	if (n->ending) {
		cats_net_finish(n, decided_us, &n->counters.early);
		return;
	}
	if (n->alive != cats_net_bit(n->config.self) || n->block_us == CATS_NET_NEVER)
		n->block_us = decided_us;
	cats_net_look(n);
	cats_net_decide(n);
	if (n->next_repairs > 0)
		end_us += cats_net_making_us(n);
	cats_net_begin_block(n, (uint8_t)(n->block < CATS_NET_BLOCKS_MAX ? n->block + 1U : CATS_NET_BLOCKS_MAX),
			     until_deadline(n, n->next_repairs, end_us), end_us);
}

static void end_part(struct cats_net *n, uint32_t end_us)
{
	if (missed_end(n)) {
		cats_net_finish(n, n->block_us, &n->counters.early);
		return;
	}
	switch (n->part) {
	case CATS_NET_SLOTS:
		end_slots(n, end_us);
		break;
	case CATS_NET_REPAIR:
		cats_net_begin_part(n, n->layout.repairs > 0 ? CATS_NET_DECIDE : CATS_NET_STATUS, end_us);
		break;
	case CATS_NET_STATUS:
		cats_net_begin_part(n, CATS_NET_DECIDE, end_us);
		cats_net_look(n);
		break;
	case CATS_NET_DECIDE:
		end_decide(n, end_us);
		break;
	}
}

void cats_net_advance(struct cats_net *n, int64_t now_us)
{
	const uint32_t ahead = n->config.lead_us + CATS_NET_SLACK_US;

	while (n->phase == CATS_NET_PHASE_GATHER) {
		const uint32_t end_us = cats_net_wake_us(n);

		if (now_us + ahead >= (int64_t)n->start_us && (n->layout.packets == 0 || n->desc.receivers == 0)) {
			n->heard = n->everyone;
			n->ending = n->agreed;
			cats_net_finish(n, n->start_us, &n->counters.early);
			continue;
		}
		if (now_us >= (int64_t)n->deadline_us) {
			/* Without statuses the agreed end may be the deadline. */
			const bool agreed =
				n->ending && n->part == CATS_NET_DECIDE && cats_net_decide_end_us(n) <= n->deadline_us;

			cats_net_finish(n, n->deadline_us, agreed ? &n->counters.early : &n->counters.deadline);
			continue;
		}
		cats_net_cursor_pass(n, now_us);
		if (now_us + ahead < (int64_t)end_us)
			break;
		end_part(n, end_us);
	}
}
