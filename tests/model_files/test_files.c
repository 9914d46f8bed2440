/* SPDX-License-Identifier: MIT */
/* A model's directory: round trips, golden files, every damaged byte, and a save that fails or dies at every one of its
 * system calls (the linker puts the functions __wrap_… below between the library and the C library). */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "tests/cmocka.h"
#include "tests/io/golden_files.h"
#include "tests/io/scratch.h"
#include "tests/model_files/model_bytes.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* What befalls the system call number `calls_left` from now (1 is the next); 0: nothing. */
static unsigned calls_left;
static enum { FAULT_FAIL, FAULT_DIE } fault;

static bool fault_strikes(void)
{
	if (calls_left == 0 || --calls_left > 0)
		return false;
	if (fault == FAULT_DIE)
		_exit(1);
	errno = ENOSPC;
	return true;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	return fault_strikes() ? -1 : __real_write(fd, bytes, size);
}

int __wrap_fsync(int fd)
{
	(void)fd;
	return fault_strikes() ? -1 : 0; /* only a test of power cuts would need more, and this one is faster */
}

int __wrap_rename(const char *from, const char *to)
{
	return fault_strikes() ? -1 : __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
	return fault_strikes() ? -1 : __real_unlink(path);
}

static const struct cats_config small = {
	.devices = 2,
	.d_model = 4,
	.n_heads = 2,
	.d_ff = 3,
	.n_layers = 1,
	.n_patches = 2,
	.d_in = 3,
	.n_out = 2,
	.norm_eps = 1e-5,
	.cls_token = true,
	.pool = CATS_POOL_CLS,
};

static char folder[SCRATCH_PATH_BYTES];

static int set_up(void **state)
{
	(void)state;
	calls_left = 0;
	scratch_create(folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static void create(struct cats_model *out, const struct cats_config *config, uint64_t seed)
{
	assert_int_equal(cats_model_create(out, config, NULL), CATS_OK);
	cats_model_initialise(out, seed);
	for (uint32_t site = 0; site < cats_config_sites(config); site++)
		out->keep[site][(site + seed) % 3] = 0;
}

static bool same_model(const struct cats_model *a, const struct cats_model *b)
{
	char *text_a = cats_config_format(&a->config);
	char *text_b = cats_config_format(&b->config);
	bool same = strcmp(text_a, text_b) == 0 && a->weight_count == b->weight_count &&
		    memcmp(a->weights, b->weights, a->weight_count * sizeof *a->weights) == 0;

	for (uint32_t site = 0; same && site < cats_config_sites(&a->config); site++)
		same = memcmp(a->keep[site], b->keep[site], cats_site_columns(&a->config, site)) == 0;
	free(text_a);
	free(text_b);
	return same;
}

static void load(struct cats_model *out)
{
	struct cats_error error = {0};

	if (cats_model_load(out, folder, &error) != CATS_OK)
		fail_msg("must load, but: %s", error.text);
}

static void check_round_trip(const struct cats_config *config)
{
	struct cats_model saved;
	struct cats_model loaded;

	create(&saved, config, 1);
	assert_int_equal(cats_model_save(&saved, folder, "# A card\n", NULL), CATS_OK);
	load(&loaded);
	assert_true(same_model(&saved, &loaded));
	assert_int_equal(scratch_count(folder, ""), 3);
	cats_model_free(&saved);
	cats_model_free(&loaded);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (int variant = 0; variant < 16; variant++) {
		struct cats_config config = small;
		config.norm = variant & 1 ? CATS_NORM_RMS : CATS_NORM_LAYER;
		config.cls_token = variant & 2;
		config.pool = variant & 2 ? CATS_POOL_CLS : CATS_POOL_NONE;
		config.causal = variant & 4;
		config.activation = variant & 8 ? CATS_GELU : CATS_RELU;
		config.n_layers = 1 + (uint32_t)variant / 8;
		check_round_trip(&config);
	}
}

static void test_same_model_same_bytes(void **state)
{
	struct cats_model model;
	uint8_t *first;
	uint8_t *second;
	size_t size;
	size_t size_again;
	const char *path = scratch_file(folder, "model.safetensors");

	(void)state;
	create(&model, &small, 1);
	assert_int_equal(cats_model_save(&model, folder, NULL, NULL), CATS_OK);
	assert_int_equal(scratch_count(folder, ""), 2); /* no card */
	assert_int_equal(cats_file_read(&first, &size, path, 1 << 20, NULL), CATS_OK);
	assert_int_equal(cats_model_save(&model, folder, NULL, NULL), CATS_OK);
	assert_int_equal(cats_file_read(&second, &size_again, path, 1 << 20, NULL), CATS_OK);
	assert_int_equal(size, size_again);
	assert_memory_equal(first, second, size);
	free(first);
	free(second);
	cats_model_free(&model);
}

static void test_not_finite_is_not_saved(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	struct cats_model model;
	struct cats_model loaded;
	struct cats_error error = {0};

	(void)state;
	create(&model, &small, 1);
	assert_int_equal(cats_model_save(&model, folder, NULL, NULL), CATS_OK);
	for (size_t i = 0; i < COUNT(bad); i++) {
		const float before = model.weights[model.tensors[model.head_bias].offset + 1];
		model.weights[model.tensors[model.head_bias].offset + 1] = bad[i];
		assert_int_equal(cats_model_save(&model, folder, NULL, &error), CATS_ERR_FORMAT);
		assert_non_null(strstr(error.text, "tensor 'head.bias': element 1 is not a finite number"));
		model.weights[model.tensors[model.head_bias].offset + 1] = before;
		load(&loaded);
		assert_true(same_model(&model, &loaded));
		cats_model_free(&loaded);
		assert_int_equal(scratch_count(folder, ".tmp"), 0);
	}
	cats_model_free(&model);
}

static enum cats_status read_model(const char *path, struct cats_error *error)
{
	struct cats_model model;
	uint8_t *bytes;
	size_t size;
	enum cats_status status = cats_file_read(&bytes, &size, path, 1 << 20, error);

	if (status != CATS_OK)
		return status;
	status = parse_model_bytes(&model, bytes, size, path, error);
	free(bytes);
	if (status != CATS_OK) {
		assert_null(model.weights);
		return status;
	}
	/* Written as ((7 k) mod 19 - 9) / 8, k counting all values. */
	assert_true(model.weights[0] == -9.0F / 8 && model.weights[1] == -2.0F / 8 && model.weights[2] == 5.0F / 8);
	assert_int_equal(cats_model_kept(&model, 0), strstr(path, "no-keep-lists") ? 2 : 1);
	cats_model_free(&model);
	return status;
}

static void test_golden(void **state)
{
	static const struct golden_rule rules[] = {
		{"missing-tensor", "tensor 'cls': is missing, the config needs it"},
		{"unknown-tensor", "tensor 'extra': the config has no place for it"},
		{"shape", "tensor 'head.weight': shape: is [3, 2], the config gives [2, 2]"},
		{"transposed", "tensor 'layers.0.ffn.up.weight': shape: is [2, 3], the config gives [3, 2]"},
		{"dims", "tensor 'cls': shape: is [1, 2], the config gives [2]"},
		{"dtype", "tensor 'cls': dtype: is F64, must be F32"},
		{"nan", "tensor 'pos': element 3 is not a finite number"},
		{"infinite", "tensor 'norm.bias': element 1 is not a finite number"},
		{"keep-two", "tensor 'keep/0.ffn_out': element 1 is 2, a keep list holds 0 and 1"},
		{"keep-missing", "tensor 'keep/head_in': is missing"},
		{"keep-shape", "tensor 'keep/0.attn_in': shape: is [3], the config gives [2]"},
		{"keep-dtype", "tensor 'keep/0.attn_in': dtype: is I8, must be U8"},
		{"norm-differs", "tensor 'layers.0.norm1.bias': the config has no place for it"},
		{"other-config", "differs from the config that the weights in"},
		{"no-config", "there is no config.json beside it and no copy inside"},
		{"damaged-data", "tensors_crc32: 00000000, but the data have"},
		{"newer-version", "format_version: '2', only 1 is known"},
	};

	(void)state;
	check_golden_files(CATS_GOLDEN_FOLDER "/model", ".bin", read_model, rules, COUNT(rules));
}

static void check_load_fails(const char *rule)
{
	struct cats_model model;
	struct cats_error error = {0};

	assert_true(cats_model_load(&model, folder, &error) < 0);
	assert_null(model.weights);
	if (!strstr(error.text, rule))
		fail_msg("must say '%s', but says '%s'", rule, error.text);
}

static void test_files_missing(void **state)
{
	struct cats_model model;
	struct cats_model loaded;

	(void)state;
	check_load_fails("model.safetensors: cannot open");
	create(&model, &small, 1);
	assert_int_equal(cats_model_save(&model, folder, NULL, NULL), CATS_OK);
	assert_int_equal(cats_file_remove(scratch_file(folder, "config.json"), NULL), CATS_OK);
	load(&loaded);
	assert_true(same_model(&model, &loaded));
	assert_int_equal(cats_directory_make(scratch_file(folder, "config.json"), NULL), CATS_OK);
	check_load_fails("config.json: is a directory");
	cats_model_free(&model);
	cats_model_free(&loaded);
}

static void test_another_config(void **state)
{
	struct cats_config other = small;
	struct cats_model model;
	struct cats_model loaded;
	char spaced[1024];

	(void)state;
	create(&model, &small, 1);
	assert_int_equal(cats_model_save(&model, folder, NULL, NULL), CATS_OK);
	other.causal = true; /* every shape stays the same */
	char *text = cats_config_format(&other);
	assert_int_equal(cats_file_write(scratch_file(folder, "config.json"), text, strlen(text), NULL), CATS_OK);
	free(text);
	check_load_fails("config.json: differs from the config that the weights in");
	text = cats_config_format(&small); /* the same, laid out differently */
	spaced[0] = ' ';
	memcpy(spaced + 1, text, strlen(text));
	assert_int_equal(cats_file_write(scratch_file(folder, "config.json"), spaced, strlen(text) + 1, NULL), CATS_OK);
	free(text);
	load(&loaded);
	assert_true(same_model(&model, &loaded));
	cats_model_free(&model);
	cats_model_free(&loaded);
}

/* Refused, or exactly the model that was saved. Returns whether it loaded. */
static bool check_damaged(const struct cats_model *saved, const struct cats_model_bytes *config,
			  const struct cats_model_bytes *tensors)
{
	struct cats_model model;
	struct cats_error error = {0};

	if (cats_model_parse(&model, config, tensors, &error) != CATS_OK) {
		assert_true(error.text[0] != '\0');
		return false;
	}
	assert_true(same_model(saved, &model));
	cats_model_free(&model);
	return true;
}

static void test_damaged(void **state)
{
	struct cats_model saved;
	uint8_t *files[2];
	struct cats_model_bytes parts[2] = {{.name = "config.json"}, {.name = "model.safetensors"}};
	size_t accepted = 0;
	size_t flips = 0;

	(void)state;
	create(&saved, &small, 1);
	assert_int_equal(cats_model_save(&saved, folder, NULL, NULL), CATS_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			cats_file_read(&files[i], &parts[i].size, scratch_file(folder, parts[i].name), 1 << 20, NULL),
			CATS_OK);
		parts[i].bytes = files[i];
	}
	assert_true(check_damaged(&saved, &parts[0], &parts[1]));
	for (int i = 0; i < 2; i++) {
		const size_t size = parts[i].size;
		for (size_t bit = 0; bit < 8 * size; bit++, flips++) {
			files[i][bit / 8] ^= (uint8_t)(1U << bit % 8);
			accepted += check_damaged(&saved, &parts[0], &parts[1]);
			files[i][bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		for (parts[i].size = 0; parts[i].size < size - 1; parts[i].size++)
			assert_false(check_damaged(&saved, &parts[0], &parts[1]));
		parts[i].size = size;
	}
	/* What is accepted: white space that stays white space, and names of metadata that then mean nothing. */
	assert_true(accepted < flips / 20);
	free(files[0]);
	free(files[1]);
	cats_model_free(&saved);
}

/* The models of the two tests below: B replaces A, of another config. */
static void create_pair(struct cats_model *a, struct cats_model *b)
{
	struct cats_config other = small;

	other.causal = true;
	other.devices = 3;
	create(a, &small, 1);
	create(b, &other, 2);
}

/* As if another program had written it: nothing but the tensors. */
static void strip_metadata(void)
{
	struct cats_safetensors file;
	const char *path = scratch_file(folder, "model.safetensors");

	assert_int_equal(cats_safetensors_read(&file, path, NULL), CATS_OK);
	assert_int_equal(cats_safetensors_write(path, file.tensors, file.tensor_count, NULL, 0, NULL), CATS_OK);
	cats_safetensors_free(&file);
}

static void restore(const struct cats_model *a, bool foreign)
{
	scratch_remove(folder);
	assert_int_equal(cats_model_save(a, folder, "# A\n", NULL), CATS_OK);
	if (foreign)
		strip_metadata();
}

/* 'A' or 'B', whichever the directory holds; fails when it holds neither. */
static char which(const struct cats_model *a, const struct cats_model *b)
{
	struct cats_model loaded;

	load(&loaded);
	const char answer = same_model(&loaded, a) ? 'A' : same_model(&loaded, b) ? 'B' : '?';
	cats_model_free(&loaded);
	assert_int_not_equal(answer, '?');
	return answer;
}

/* Saves B in a process that dies at call number k (0: never). Returns whether it lived. */
static bool save_and_die(const struct cats_model *b, unsigned k)
{
	int status;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		calls_left = k;
		fault = FAULT_DIE;
		_exit(cats_model_save(b, folder, "# B\n", NULL) == CATS_OK ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
	return WEXITSTATUS(status) == 0;
}

static void check_dying(bool foreign)
{
	struct cats_model a;
	struct cats_model b;
	unsigned seen_a = 0;
	unsigned seen_b = 0;

	create_pair(&a, &b);
	for (unsigned k = 1;; k++) {
		restore(&a, foreign);
		if (save_and_die(&b, k))
			break;
		const char held = which(&a, &b);
		assert_false(seen_b > 0 && held == 'A'); /* there is one moment of change */
		seen_a += held == 'A';
		seen_b += held == 'B';
		/* What was left behind is no obstacle to a save that lives, or that dies in turn. */
		(void)save_and_die(&b, k);
		(void)which(&a, &b);
		assert_true(save_and_die(&b, 0));
		assert_int_equal(which(&a, &b), 'B');
		assert_int_equal(scratch_count(folder, ".replaced"), 0);
	}
	assert_int_equal(which(&a, &b), 'B');
	assert_true(seen_a > 10 && seen_b >= 5);
	cats_model_free(&a);
	cats_model_free(&b);
}

static void test_dying_at_every_call(void **state)
{
	(void)state;
	check_dying(false);
}

static void test_dying_over_a_foreign_model(void **state)
{
	(void)state;
	check_dying(true);
}

static bool holds(const char *name, const char *text)
{
	uint8_t *bytes;
	size_t size;
	const bool same = cats_file_read(&bytes, &size, scratch_file(folder, name), 1 << 20, NULL) == CATS_OK &&
			  size == strlen(text) && memcmp(bytes, text, size) == 0;

	free(bytes);
	return same;
}

/* A config.json of somebody's without weights is there until there is a model. */
static void test_dying_beside_a_lone_config(void **state)
{
	static const char lone[] = "{\"model_type\": \"another\"}";
	struct cats_model a;
	struct cats_model b;
	bool lived = false;

	(void)state;
	create_pair(&a, &b);
	for (unsigned k = 1; !lived; k++) {
		scratch_remove(folder);
		assert_int_equal(cats_directory_make(folder, NULL), CATS_OK);
		assert_int_equal(cats_file_write(scratch_file(folder, "config.json"), lone, strlen(lone), NULL),
				 CATS_OK);
		lived = save_and_die(&b, k);
		if (!holds("config.json", lone) && !holds("config.json.replaced", lone))
			assert_int_equal(which(&a, &b), 'B');
	}
	cats_model_free(&a);
	cats_model_free(&b);
}

static void check_failing(bool foreign)
{
	struct cats_model a;
	struct cats_model b;
	enum cats_status status = CATS_ERR_IO;

	create_pair(&a, &b);
	for (unsigned k = 1; status != CATS_OK; k++) {
		struct cats_error error = {0};
		restore(&a, foreign);
		calls_left = k;
		fault = FAULT_FAIL;
		status = cats_model_save(&b, folder, "# B\n", &error);
		const bool struck = calls_left == 0;
		calls_left = 0;
		assert_int_equal(status, struck ? CATS_ERR_IO : CATS_OK);
		assert_int_equal(scratch_count(folder, ".tmp"), 0);
		if (struck)
			assert_non_null(strstr(error.text, "No space left on device"));
		else
			assert_int_equal(which(&a, &b), 'B');
		(void)which(&a, &b);
	}
	cats_model_free(&a);
	cats_model_free(&b);
}

static void test_failing_at_every_call(void **state)
{
	(void)state;
	check_failing(false);
	check_failing(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_same_model_same_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_finite_is_not_saved, set_up, tear_down),
		cmocka_unit_test(test_golden),
		cmocka_unit_test_setup_teardown(test_files_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_config, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dying_at_every_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dying_over_a_foreign_model, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dying_beside_a_lone_config, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failing_at_every_call, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
