/* SPDX-License-Identifier: MIT */
/* The options of a training: defaults and rules. Touches no file. See trainer.h. */
#include <math.h>
#include <string.h>

#include "train/trainer.h"

/* Longest name of the folder to make; the names in it must fit a path. */
#define OUT_LIMIT 3900U

struct cats_train_options cats_train_defaults(void)
{
	return (struct cats_train_options){
		.epochs = 30,
		.batch = 128,
		.rate = 1e-3,
		.rate_floor = 0.01,
		.warmup_epochs = 1,
		.adamw = {.weight_decay = 0.05, .clip = 1.0},
	};
}

static bool share(double value)
{
	return value >= 0 && value < 1;
}

static bool probability(double value)
{
	return value >= 0 && value <= 1;
}

enum cats_status cats_train_check(const struct cats_train_options *o, struct cats_error *error)
{
	const char *wrong = NULL;

	if (o->out != NULL && strlen(o->out) > OUT_LIMIT)
		wrong = "out: the name is too long";
	else if (o->data == NULL || o->out == NULL || (o->config == NULL) == (o->init == NULL))
		wrong = "needs data, out and either config or init";
	else if (o->epochs < 1 || o->epochs > 100000)
		wrong = "epochs: 1 … 100000";
	else if (o->stride > 1U << 20)
		wrong = "stride: 1 … 1048576";
	else if (o->batch < 1 || o->batch > 65536)
		wrong = "batch: 1 … 65536";
	else if (!(o->rate > 0) || !isfinite(o->rate))
		wrong = "learning rate: above 0";
	else if (!(o->rate_floor >= 0 && o->rate_floor <= 1))
		wrong = "floor of the learning rate: a share, 0 … 1";
	else if (!(o->warmup_epochs >= 0 && o->warmup_epochs <= o->epochs))
		wrong = "warm-up: 0 … epochs";
	else if (!(o->adamw.weight_decay >= 0) || !isfinite(o->adamw.weight_decay))
		wrong = "weight decay: 0 or more";
	else if (!(o->adamw.clip >= 0) || !isfinite(o->adamw.clip))
		wrong = "clip: above 0, or 0 for none";
	else if (!share(o->dropout) || !share(o->label_smoothing) || !share(o->average))
		wrong = "dropout, label smoothing, decay of the average: at least 0 and below 1";
	else if (!probability(o->messages.link) || !probability(o->messages.receiver) ||
		 !probability(o->messages.sender) || !probability(o->augment.erase))
		wrong = "message dropout, erasing: probabilities, 0 … 1";
	else if (o->keep != 0 && !(o->keep > 0 && o->keep <= 1))
		wrong = "keep: outside (0, 1]";
	else if (o->keep_epochs > 0 && o->keep == 0)
		wrong = "keep epochs: need a share to keep";
	else if (o->keep_epochs >= o->epochs)
		wrong = "keep epochs: fewer than epochs";
	else if (o->stand_in != CATS_STAND_IN_ZERO && (o->keep == 0 || o->keep_epochs > 0))
		wrong = "stand-in: for columns that keep leaves out at once, without keep epochs";
	return wrong != NULL ? cats_fail(error, CATS_ERR_USAGE, "training: %s", wrong) : CATS_OK;
}
