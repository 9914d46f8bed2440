/* SPDX-License-Identifier: MIT */
/* Whole files in, whole files out: limits, refusals, a full disk, and a process that dies while writing. */
#define _GNU_SOURCE /* unshare */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "tests/cmocka.h"
#include "tests/io/scratch.h"

static char folder[SCRATCH_PATH_BYTES];

static int set_up(void **state)
{
	(void)state;
	scratch_create(folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static void assert_content(const char *path, const char *expected)
{
	uint8_t *bytes;
	size_t size;

	assert_int_equal(cats_file_read(&bytes, &size, path, 1000, NULL), CATS_OK);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(bytes, expected, size + 1); /* and the zero byte that follows */
	free(bytes);
}

static void test_round_trip(void **state)
{
	const char *path = scratch_file(folder, "a");

	(void)state;
	assert_int_equal(cats_file_write(path, "one", 3, NULL), CATS_OK);
	assert_content(path, "one");
	assert_int_equal(cats_file_write(path, "", 0, NULL), CATS_OK);
	assert_content(path, "");
	const struct cats_file_part parts[] = {{"tw", 2}, {NULL, 0}, {"o", 1}};
	assert_int_equal(cats_file_stage(path, parts, 3, NULL), CATS_OK);
	assert_content(path, "");
	assert_int_equal(cats_file_commit(path, NULL), CATS_OK);
	assert_content(path, "two");
	assert_int_equal(cats_file_stage(path, parts, 3, NULL), CATS_OK);
	cats_file_discard(path);
	assert_int_equal(scratch_count(folder, ""), 1);
	assert_int_equal(cats_file_remove(path, NULL), CATS_OK);
	assert_int_equal(cats_file_remove(path, NULL), CATS_OK);
	assert_int_equal(scratch_count(folder, ""), 0);
}

static void check_refused(const char *path, size_t limit, const char *rule)
{
	struct cats_error error = {0};
	uint8_t *bytes;
	size_t size;

	assert_true(cats_file_read(&bytes, &size, path, limit, &error) < 0);
	assert_null(bytes);
	assert_non_null(strstr(error.text, path));
	if (!strstr(error.text, rule))
		fail_msg("'%s' must say '%s'", error.text, rule);
}

static void test_read_refuses(void **state)
{
	const char *path = scratch_file(folder, "a");
	const char *pipe_path = scratch_file(folder, "pipe");
	uint8_t *bytes;
	size_t size;

	(void)state;
	assert_int_equal(cats_file_write(path, "12345", 5, NULL), CATS_OK);
	assert_int_equal(cats_file_read(&bytes, &size, path, 5, NULL), CATS_OK);
	free(bytes);
	check_refused(path, 4, "is 5 bytes long, at most 4");
	check_refused(folder, 1000, "is a directory");
	check_refused(scratch_file(folder, "nobody"), 1000, "cannot open: No such file");
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	check_refused(pipe_path, 1000, "is not a regular file"); /* and does not wait for a writer */
}

static void test_write_refuses(void **state)
{
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(cats_file_write("/dev/null", "x", 1, &error), CATS_ERR_IO);
	assert_non_null(strstr(error.text, "/dev/null: is there and is not a regular file"));
	assert_int_equal(cats_file_write(folder, "x", 1, &error), CATS_ERR_IO);
	assert_int_equal(cats_file_write(scratch_file(folder, "nobody/a"), "x", 1, &error), CATS_ERR_IO);
	assert_non_null(strstr(error.text, "cannot create"));
	assert_int_equal(cats_file_write("", "x", 1, &error), CATS_ERR_IO);
	assert_non_null(strstr(error.text, "\"\": is no path"));
	assert_int_equal(cats_file_may_write("", &error), CATS_ERR_IO);
	assert_int_equal(cats_file_may_write(folder, &error), CATS_ERR_IO);
	assert_int_equal(cats_file_may_write(scratch_file(folder, "nobody/a"), &error), CATS_ERR_IO);
	assert_int_equal(cats_file_may_write(scratch_file(folder, "a"), &error), CATS_OK);
	assert_int_equal(cats_file_may_write("a", &error), CATS_OK);
	assert_int_equal(scratch_count(folder, ""), 0);
}

static void test_directories(void **state)
{
	struct cats_error error = {0};
	struct stat info;

	(void)state;
	assert_int_equal(cats_directory_make(scratch_file(folder, "x/y//z/"), NULL), CATS_OK);
	assert_int_equal(cats_directory_make(scratch_file(folder, "x/y"), NULL), CATS_OK);
	assert_int_equal(stat(scratch_file(folder, "x/y/z"), &info), 0);
	assert_true(S_ISDIR(info.st_mode));
	assert_int_equal(cats_file_write(scratch_file(folder, "file"), "x", 1, NULL), CATS_OK);
	assert_int_equal(cats_directory_make(scratch_file(folder, "file/z"), &error), CATS_ERR_IO);
	assert_non_null(strstr(error.text, "file: cannot create the directory: Not a directory"));
	assert_int_equal(cats_directory_make("", &error), CATS_ERR_USAGE);
}

static void test_crc(void **state)
{
	(void)state;
	assert_int_equal(cats_crc32(0, "123456789", 9), 0xCBF43926); /* the check value of CRC-32/ISO-HDLC */
	assert_int_equal(cats_crc32(cats_crc32(0, "1234", 4), "56789", 5), 0xCBF43926);
	assert_int_equal(cats_crc32(0xCBF43926, NULL, 0), 0xCBF43926);
}

static void test_error_text(void **state)
{
	struct cats_error error = {0};
	char text[2 * sizeof error.text];

	(void)state;
	assert_int_equal(cats_fail(&error, CATS_ERR_IO, "%s: %d", "a\nb\x1b\x7f\xc3\xa9", 7), CATS_ERR_IO);
	assert_string_equal(error.text, "a?b??\xc3\xa9: 7");
	assert_int_equal(cats_fail(NULL, CATS_ERR_FORMAT, "x"), CATS_ERR_FORMAT);
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(cats_fail(&error, CATS_ERR_IO, "%s", text), CATS_ERR_IO);
	assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

/* The file size limit fails a write in the middle, with SIGXFSZ ignored, as a full disk does. */
static void test_full_at_every_byte(void **state)
{
	static const char text[] = "the bytes of the new file";
	const char *path = scratch_file(folder, "a");
	struct rlimit before;

	(void)state;
	assert_int_equal(cats_file_write(path, "old", 3, NULL), CATS_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	for (rlim_t limit = 0; limit < sizeof text - 1; limit++) {
		struct cats_error error = {0};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, before.rlim_max}), 0);
		const enum cats_status status = cats_file_write(path, text, sizeof text - 1, &error);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(status, CATS_ERR_IO);
		assert_non_null(strstr(error.text, "cannot write"));
		assert_content(path, "old");
		assert_int_equal(scratch_count(folder, ""), 1);
	}
	(void)signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(cats_file_write(path, text, sizeof text - 1, NULL), CATS_OK);
	assert_content(path, text);
}

enum { FULL_DISK_RIGHT, FULL_DISK_WRONG, FULL_DISK_NOT_ALLOWED };

/* In a process of its own: a disk of 64 KiB that no other process sees. */
static int try_full_disk(void)
{
	static char large[1 << 18];
	const char *path = scratch_file(folder, "a");
	struct cats_error error = {0};
	uint8_t *bytes;
	size_t size;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0)
		return FULL_DISK_NOT_ALLOWED;
	if (cats_file_write(path, "old", 3, &error) != CATS_OK)
		return FULL_DISK_WRONG;
	if (cats_file_write(path, large, sizeof large, &error) != CATS_ERR_IO || !strstr(error.text, "No space left"))
		return FULL_DISK_WRONG;
	if (cats_file_read(&bytes, &size, path, 100, &error) != CATS_OK)
		return FULL_DISK_WRONG;
	const int same = size == 3 && memcmp(bytes, "old", 3) == 0;
	free(bytes);
	return same && scratch_count(folder, "") == 1 ? FULL_DISK_RIGHT : FULL_DISK_WRONG;
}

static void test_full_disk(void **state)
{
	int status;
	const pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(try_full_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == FULL_DISK_NOT_ALLOWED)
		skip(); /* only root mounts */
	assert_int_equal(WEXITSTATUS(status), FULL_DISK_RIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_directories, set_up, tear_down),
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_error_text),
		cmocka_unit_test_setup_teardown(test_full_at_every_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
