/* SPDX-License-Identifier: MIT */
/* What each device sees at each gather site, and where its share of the weights lies in the packed array. Internal to
 * the float model (pass.h is the public face). */
#ifndef CATS_MODEL_VIEWS_H
#define CATS_MODEL_VIEWS_H

#include "model/pass.h"

/* Rows first … first + count - 1 of a view come from one sender: the unit in which messages are lost. */
struct cats_segment {
	uint32_t sender;
	uint32_t first;
	uint32_t count;
};

/* The columns available to one device at one site when nothing is lost, ascending. */
struct cats_view {
	uint32_t count;
	uint32_t *columns; /* [count] */
	uint32_t segment_count;
	struct cats_segment *segments; /* [segment_count], ascending, at most one a sender */
	bool whole;                    /* count is all columns of the site */
};

/* A linear layer's share on one device, by offsets into the packed array. */
struct cats_block {
	uint32_t rows, columns;
	size_t weight; /* [rows, columns] */
	size_t bias;   /* [rows] */
};

/* A normalisation's share on one device: gain and bias of the columns it can receive. */
struct cats_gain {
	size_t weight; /* [columns of the view] */
	size_t bias;   /* likewise; meaningless for RMS */
};

struct cats_device_layer {
	struct cats_gain norm1, norm2;
	struct cats_block qkv; /* rows: own q, then own k, then own v */
	struct cats_block o, up, down;
};

struct cats_views {
	struct cats_config config; /* with D = config.devices */
	struct cats_view *view;    /* [sites][D] */
	struct cats_block embed;   /* all F rows: every device has the whole input, so the devices' blocks adjoin */
	size_t pos;                /* [F, T] */
	size_t cls;                /* [F], if any */
	struct cats_device_layer *layer; /* [n_layers][D] */
	struct cats_gain *final_norm;    /* [D] */
	struct cats_block *head;         /* [D] */
	uint32_t *map;                   /* [packed_count]: index into model->weights */
	size_t packed_count;
	size_t weight_count;
	uint32_t max_view; /* the largest view's count */
};

static inline const struct cats_view *cats_view_at(const struct cats_views *v, uint32_t site, uint32_t device)
{
	return &v->view[(size_t)site * v->config.devices + device];
}

#endif
