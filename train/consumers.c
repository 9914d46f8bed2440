/* SPDX-License-Identifier: MIT */
/* See consumers.h. */
#include "train/consumers.h"

uint32_t cats_consumers_of(struct cats_consumer out[3], const struct cats_model *model, uint32_t site)
{
	const enum cats_site_kind kind = cats_site_kind_of(&model->config, site);

	if (kind == CATS_HEAD_IN) {
		out[0] = (struct cats_consumer){model->head_weight, model->head_bias, model->norm_weight,
						CATS_NO_WEIGHT};
		return 1;
	}
	const uint32_t *w = model->layers[site / 4U];

	switch (kind) {
	case CATS_ATTN_IN:
		out[0] = (struct cats_consumer){w[CATS_Q_WEIGHT], w[CATS_Q_BIAS], w[CATS_NORM1_WEIGHT], site + 1U};
		out[1] = (struct cats_consumer){w[CATS_K_WEIGHT], w[CATS_K_BIAS], w[CATS_NORM1_WEIGHT], site + 1U};
		out[2] = (struct cats_consumer){w[CATS_V_WEIGHT], w[CATS_V_BIAS], w[CATS_NORM1_WEIGHT], site + 1U};
		return 3;
	case CATS_ATTN_OUT:
		out[0] = (struct cats_consumer){w[CATS_O_WEIGHT], w[CATS_O_BIAS], CATS_NO_WEIGHT, site - 1U};
		return 1;
	case CATS_FFN_IN:
		out[0] = (struct cats_consumer){w[CATS_UP_WEIGHT], w[CATS_UP_BIAS], w[CATS_NORM2_WEIGHT], site + 1U};
		return 1;
	default:
		out[0] = (struct cats_consumer){w[CATS_DOWN_WEIGHT], w[CATS_DOWN_BIAS], CATS_NO_WEIGHT, site - 1U};
		return 1;
	}
}

struct cats_run cats_consumer_rows(const struct cats_model *model, const struct cats_consumer *consumer,
				   uint32_t device)
{
	const uint32_t D = model->config.devices;

	if (consumer->row_site == CATS_NO_WEIGHT)
		return cats_partition_run(model->config.n_out, D, device);
	return cats_site_own(&model->config, consumer->row_site, D, device);
}
