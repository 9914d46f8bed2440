/* SPDX-License-Identifier: MIT */
/* The C API from a model's directory to the class of one image. The README shows the lines between the two marks.
 * usage: api MODEL DATA */
#include <stdio.h>
#include <stdlib.h>

#include "io/dataset.h"
#include "model/pass.h"
#include "train/batch.h"

static struct cats_error error;

static void check(enum cats_status status)
{
	if (status < 0) {
		fprintf(stderr, "api: %s\n", error.text);
		exit(1);
	}
}

static uint32_t largest(const float *scores, uint32_t count)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < count; i++)
		best = scores[i] > scores[best] ? i : best;
	return best;
}

int main(int argc, char **argv)
{
	const char *directory = argc == 3 ? argv[1] : "models/full";
	const char *spec = argc == 3 ? argv[2] : "fashion-mnist:test";
	const uint32_t sample = 0;
	struct cats_dataset_options options = {0};
	struct cats_dataset data = {0};
	struct cats_model model;
	struct cats_views *views;
	struct cats_pass *pass;

	/* README { */
	check(cats_model_load(&model, directory, &error));
	check(cats_views_create(&views, &model, &error));        /* what each of its devices sees of the others */
	check(cats_pass_create(&pass, views, 1, false, &error)); /* memory for one sample at a time */
	check(cats_dataset_open(&data, spec, &options, &error)); /* "fashion-mnist:test", "idx:IMAGES,LABELS", … */
	struct cats_feed feed = {.data = &data, .config = &model.config};
	check(cats_feed_check(&feed, spec, &error));
	float *packed = malloc(cats_views_packed_count(views) * sizeof(float));
	float *input = malloc((size_t)model.config.d_in * model.config.n_patches * sizeof(float));
	void *scratch = malloc(cats_feed_scratch_bytes(&model.config, 1));
	cats_views_pack(packed, views, model.weights);        /* each device's share of the weights */
	cats_feed_fill(input, scratch, &feed, &sample, 1, 0); /* an image becomes patches */
	cats_pass_forward(pass, packed, &(struct cats_pass_input){.batch = 1, .input = input});
	printf("class %u\n", largest(cats_pass_output(pass), model.config.n_out));
	/* } README */

	free(scratch);
	free(input);
	free(packed);
	cats_dataset_free(&data);
	cats_pass_free(pass);
	cats_views_free(views);
	cats_model_free(&model);
	return 0;
}
