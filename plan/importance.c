/* SPDX-License-Identifier: MIT */
/* Importance of columns. See importance.h. */
#include "plan/importance.h"

#include <stdlib.h>

/* One linear layer that reads a site. Output o belongs to the device that owns it among `outputs`. */
struct reader {
	uint32_t weight, gain; /* tensors; gain may be CATS_NO_WEIGHT */
	uint32_t outputs;
};

static uint32_t readers_of(struct reader readers[3], const struct cats_model *m, uint32_t site)
{
	const struct cats_config *c = &m->config;
	const uint32_t *w = m->layers[site / 4U < c->n_layers ? site / 4U : 0];

	switch (cats_site_kind_of(c, site)) {
	case CATS_ATTN_IN:
		readers[0] = (struct reader){w[CATS_Q_WEIGHT], w[CATS_NORM1_WEIGHT], c->d_model};
		readers[1] = (struct reader){w[CATS_K_WEIGHT], w[CATS_NORM1_WEIGHT], c->d_model};
		readers[2] = (struct reader){w[CATS_V_WEIGHT], w[CATS_NORM1_WEIGHT], c->d_model};
		return 3;
	case CATS_ATTN_OUT:
		readers[0] = (struct reader){w[CATS_O_WEIGHT], CATS_NO_WEIGHT, c->d_model};
		return 1;
	case CATS_FFN_IN:
		readers[0] = (struct reader){w[CATS_UP_WEIGHT], w[CATS_NORM2_WEIGHT], c->d_ff};
		return 1;
	case CATS_FFN_OUT:
		readers[0] = (struct reader){w[CATS_DOWN_WEIGHT], CATS_NO_WEIGHT, c->d_model};
		return 1;
	case CATS_HEAD_IN:
		break;
	}
	readers[0] = (struct reader){m->head_weight, m->norm_weight, c->n_out};
	return 1;
}

/* The rows of a reader that device j computes: whole heads of q, k and v. */
static struct cats_run rows_of(const struct cats_model *m, uint32_t site, const struct reader *r, uint32_t j)
{
	if (cats_site_kind_of(&m->config, site) == CATS_ATTN_IN)
		return cats_site_own(&m->config, site + 1U, m->config.devices, j);
	return cats_partition_run(r->outputs, m->config.devices, j);
}

static double squares(const struct cats_model *m, uint32_t site, const struct reader *r, uint32_t column, uint32_t j)
{
	const uint32_t columns = cats_site_columns(&m->config, site);
	const float *W = m->weights + m->tensors[r->weight].offset;
	const double gain = r->gain == CATS_NO_WEIGHT ? 1 : (double)m->weights[m->tensors[r->gain].offset + column];
	const struct cats_run rows = rows_of(m, site, r, j);
	double sum = 0;

	for (uint32_t o = rows.first; o < rows.first + rows.count; o++) {
		const double w = (double)W[(size_t)o * columns + column] * gain;

		sum += w * w;
	}
	return sum;
}

static void fill_site(float *importance, const struct cats_model *m, uint32_t site)
{
	const uint32_t columns = cats_site_columns(&m->config, site), D = m->config.devices;
	struct reader readers[3];
	const uint32_t count = readers_of(readers, m, site);
	double total = 0;

	for (uint32_t i = 0; i < D; i++) {
		const struct cats_run own = cats_site_own(&m->config, site, D, i);

		for (uint32_t c = own.first; c < own.first + own.count; c++) {
			double sum = 0;

			for (uint32_t j = 0; j < D; j++)
				for (uint32_t r = 0; (i == j || m->keep[site][c]) && r < count; r++)
					sum += squares(m, site, &readers[r], c, j);
			importance[c] = (float)sum;
			total += sum;
		}
	}
	for (uint32_t c = 0; c < columns; c++)
		importance[c] = total > 0 ? (float)((double)importance[c] * columns / total) : 1;
}

enum cats_status cats_importance_create(struct cats_importance *out, const struct cats_model *model,
					struct cats_error *error)
{
	const uint32_t sites = cats_config_sites(&model->config);

	*out = (struct cats_importance){.sites = sites, .site = calloc(sites, sizeof *out->site)};
	for (uint32_t site = 0; out->site && site < sites; site++) {
		out->site[site] = calloc(cats_site_columns(&model->config, site), sizeof(float));
		if (!out->site[site]) {
			cats_importance_free(out);
			break;
		}
		fill_site(out->site[site], model, site);
	}
	return out->site ? CATS_OK : cats_fail(error, CATS_ERR_MEMORY, "calibration: out of memory");
}

void cats_importance_free(struct cats_importance *importance)
{
	for (uint32_t site = 0; importance->site && site < importance->sites; site++)
		free(importance->site[site]);
	free(importance->site);
	*importance = (struct cats_importance){0};
}
