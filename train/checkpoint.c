/* SPDX-License-Identifier: MIT */
/* Checkpoints: everything that a training needs to continue to the same bytes, in one file. See session.h. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "train/session.h"

#define PATH_BYTES 4096
#define STATE_BYTES 640

/* "key=value" pairs in a fixed order; doubles in hexadecimal, which is exact. */
#define STATE_FORMAT                                                                                     \
	"step=%" PRIu64 " epoch=%" PRIu64 " batch=%" PRIu64 " epoch_loss=%la epoch_samples=%" PRIu64     \
	" last_loss=%la initial_loss=%la bad_steps=%" PRIu64 " has_best=%" PRIu64 " best_epoch=%" PRIu64 \
	" best_value=%la best_loss=%la seconds=%la"
#define STATE_SCAN                                                                                       \
	"step=%" SCNu64 " epoch=%" SCNu64 " batch=%" SCNu64 " epoch_loss=%la epoch_samples=%" SCNu64     \
	" last_loss=%la initial_loss=%la bad_steps=%" SCNu64 " has_best=%" SCNu64 " best_epoch=%" SCNu64 \
	" best_value=%la best_loss=%la seconds=%la%n"

static void file_path(char path[PATH_BYTES], const struct cats_train_options *options, const char *file)
{
	snprintf(path, PATH_BYTES, "%s/checkpoint%s", options->out, file);
}

static void format_state(char text[STATE_BYTES], const struct cats_train_state *s)
{
	snprintf(text, STATE_BYTES, STATE_FORMAT, s->step, s->epoch, s->batch, s->epoch_loss, s->epoch_samples,
		 s->last_loss, s->initial_loss, s->bad_steps, (uint64_t)s->has_best, s->best_epoch, s->best_value,
		 s->best_loss, s->seconds);
}

static bool parse_state(struct cats_train_state *s, const char *text)
{
	uint64_t has_best;
	int end = 0;
	const int fields = sscanf(text, STATE_SCAN, &s->step, &s->epoch, &s->batch, &s->epoch_loss, &s->epoch_samples,
				  &s->last_loss, &s->initial_loss, &s->bad_steps, &has_best, &s->best_epoch,
				  &s->best_value, &s->best_loss, &s->seconds, &end);

	s->has_best = fields == 13 && has_best != 0;
	return fields == 13 && text[end] == '\0' && isfinite(s->epoch_loss) && isfinite(s->last_loss) &&
	       isfinite(s->initial_loss) && isfinite(s->best_value) && isfinite(s->best_loss) && isfinite(s->seconds);
}

/* The arrays of a session by name; those that are NULL are not in use. */
struct named {
	const char *name;
	float *values;
};

static size_t arrays_of(struct named out[5], const struct cats_session *session)
{
	out[0] = (struct named){"weights", session->model.weights};
	out[1] = (struct named){"first_moment", session->m};
	out[2] = (struct named){"second_moment", session->v};
	out[3] = (struct named){"best", session->best};
	out[4] = (struct named){"average", session->average};
	return session->average != NULL ? 5 : 4;
}

static void describe(struct cats_tensor *tensor, const char *name, enum cats_dtype dtype, size_t count,
		     const void *data)
{
	*tensor = (struct cats_tensor){.dtype = dtype, .dims = 1, .shape = {count}, .count = count, .data = data};
	snprintf(tensor->name, sizeof(tensor->name), "%s", name);
}

static size_t describe_all(struct cats_tensor *tensors, const struct cats_session *session)
{
	const struct cats_config *config = &session->model.config;
	struct named arrays[5];
	const size_t count = arrays_of(arrays, session);

	for (size_t i = 0; i < count; i++)
		describe(&tensors[i], arrays[i].name, CATS_F32, session->model.weight_count, arrays[i].values);
	for (uint32_t site = 0; site < cats_config_sites(config); site++) {
		char name[CATS_SITE_NAME_BYTES + 5] = "keep/";

		cats_site_name(name + 5, config, site);
		describe(&tensors[count + site], name, CATS_U8, cats_site_columns(config, site),
			 session->model.keep[site]);
	}
	return count + cats_config_sites(config);
}

/* Of all that a checkpoint restores: a flipped bit must not become another training. */
static uint32_t crc_of(const struct cats_tensor *tensors, size_t count, const char *state, const char *curve)
{
	uint32_t crc = cats_crc32(cats_crc32(0, state, strlen(state)), curve, strlen(curve));

	for (size_t i = 0; i < count; i++)
		crc = cats_crc32(crc, tensors[i].data, tensors[i].count * cats_dtype_bytes(tensors[i].dtype));
	return crc;
}

enum cats_status cats_checkpoint_save(const struct cats_session *session, struct cats_error *error)
{
	const size_t most = 5U + cats_config_sites(&session->model.config);
	const size_t metadata_count = session->fingerprint_count + 3;
	struct cats_tensor *tensors = calloc(most, sizeof(*tensors));
	struct cats_metadata *metadata = calloc(metadata_count, sizeof(*metadata));
	char path[PATH_BYTES];
	char state[STATE_BYTES];
	char state_key[] = "state";
	char curve_key[] = "curve";
	char crc_key[] = "crc32";
	char crc[9];
	enum cats_status status;

	file_path(path, session->options, "");
	status = cats_directory_make(path, error);
	if (status == CATS_OK && (tensors == NULL || metadata == NULL))
		status = cats_fail(error, CATS_ERR_MEMORY, "checkpoint: out of memory");
	if (status == CATS_OK) {
		const size_t count = describe_all(tensors, session);

		format_state(state, &session->state);
		metadata[0] = (struct cats_metadata){state_key, state};
		metadata[1] = (struct cats_metadata){curve_key, session->curve};
		snprintf(crc, sizeof(crc), "%08x", crc_of(tensors, count, state, session->curve));
		metadata[2] = (struct cats_metadata){crc_key, crc};
		memcpy(metadata + 3, session->fingerprint, session->fingerprint_count * sizeof(*metadata));
		file_path(path, session->options, "/state.safetensors");
		status = cats_safetensors_write(path, tensors, count, metadata, metadata_count, error);
	}
	free(tensors);
	free(metadata);
	return status;
}

static enum cats_status take(const struct cats_safetensors *file, const char *path, const char *name,
			     enum cats_dtype dtype, size_t count, void *to, struct cats_error *error)
{
	const struct cats_tensor *tensor = cats_safetensors_find(file, name);

	if (tensor == NULL || tensor->dtype != dtype || tensor->dims != 1 || tensor->count != count)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: %s: not %s [%zu]: use --force to begin anew", path, name,
				 cats_dtype_name(dtype), count);
	memcpy(to, tensor->data, count * cats_dtype_bytes(dtype));
	for (size_t i = 0; i < count; i++)
		if (dtype == CATS_F32 ? !isfinite(((const float *)to)[i]) : ((const uint8_t *)to)[i] > 1)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: %s: a value is out of range: use --force to begin anew", path, name);
	return CATS_OK;
}

static enum cats_status check_crc(const struct cats_safetensors *file, const char *path, struct cats_error *error)
{
	const char *state = cats_safetensors_metadata(file, "state");
	const char *curve = cats_safetensors_metadata(file, "curve");
	const char *wanted = cats_safetensors_metadata(file, "crc32");
	char crc[9];

	if (state == NULL || curve == NULL)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: state: is missing: use --force to begin anew", path);
	snprintf(crc, sizeof(crc), "%08x", crc_of(file->tensors, file->tensor_count, state, curve));
	/* Checkpoints of before there was a sum have none. */
	if (wanted != NULL && strcmp(wanted, crc) != 0)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: crc32: %.20s, but its content has %s: the file is damaged: use --force to begin "
				 "anew",
				 path, wanted, crc);
	return CATS_OK;
}

/* Counters that no training of these options can have would index out of its data. */
static bool is_possible(const struct cats_session *session)
{
	const struct cats_train_state *s = &session->state;
	const uint64_t samples = session->train.samples;
	const uint64_t batch = session->options->batch;
	const uint64_t batches = (samples + batch - 1U) / batch;

	return s->epoch <= session->options->epochs && s->batch <= batches &&
	       s->step == s->epoch * batches + s->batch &&
	       s->epoch_samples == (s->batch == batches ? samples : s->batch * batch) &&
	       (s->has_best || s->epoch < session->options->epochs);
}

static enum cats_status restore(struct cats_session *session, const struct cats_safetensors *file, const char *path,
				struct cats_error *error)
{
	const struct cats_config *config = &session->model.config;
	const char *state = cats_safetensors_metadata(file, "state");
	const char *curve = cats_safetensors_metadata(file, "curve");
	struct named arrays[5];
	const size_t count = arrays_of(arrays, session);
	enum cats_status status = cats_session_compare(session, file->metadata, file->metadata_count, path, error);

	if (status == CATS_OK)
		status = check_crc(file, path, error);
	for (size_t i = 0; status == CATS_OK && i < count; i++)
		status = take(file, path, arrays[i].name, CATS_F32, session->model.weight_count, arrays[i].values,
			      error);
	for (uint32_t site = 0; status == CATS_OK && site < cats_config_sites(config); site++) {
		char name[CATS_SITE_NAME_BYTES + 5] = "keep/";

		cats_site_name(name + 5, config, site);
		status = take(file, path, name, CATS_U8, cats_site_columns(config, site), session->model.keep[site],
			      error);
	}
	if (status < 0)
		return status;
	if (!parse_state(&session->state, state) || !is_possible(session))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: state: not readable: use --force to begin anew", path);
	session->curve[0] = '\0';
	return cats_session_curve(session, curve, error);
}

enum cats_status cats_checkpoint_load(struct cats_session *session, struct cats_error *error)
{
	struct cats_safetensors file = {0};
	char path[PATH_BYTES];
	enum cats_status status;

	file_path(path, session->options, "/state.safetensors");
	status = cats_safetensors_read(&file, path, error);
	if (status < 0)
		return status;
	status = restore(session, &file, path, error);
	cats_safetensors_free(&file);
	return status;
}

/* What a killed process left half-written: FILE.tmp-PID (io/file.h). */
static void remove_temporaries(const char *directory, const char *const *files, size_t count)
{
	DIR *open = opendir(directory);
	const struct dirent *entry;
	char path[PATH_BYTES];

	if (open == NULL)
		return;
	while ((entry = readdir(open)) != NULL)
		for (size_t i = 0; i < count; i++) {
			const size_t length = strlen(files[i]);

			if (strncmp(entry->d_name, files[i], length) == 0 &&
			    strncmp(entry->d_name + length, ".tmp-", 5) == 0 &&
			    snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path))
				unlink(path);
		}
	closedir(open);
}

void cats_checkpoint_remove(const struct cats_train_options *options)
{
	static const char *const own[] = {"state.safetensors"};
	static const char *const outcome[] = {"config.json", "model.safetensors", "README.md", "curve.csv",
					      "train.json"};
	char path[PATH_BYTES];

	file_path(path, options, "/state.safetensors");
	unlink(path);
	file_path(path, options, "");
	remove_temporaries(path, own, 1);
	rmdir(path);
	remove_temporaries(options->out, outcome, sizeof(outcome) / sizeof(outcome[0]));
}
