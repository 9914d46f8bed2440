/* SPDX-License-Identifier: MIT */
/* make_data FOLDER: writes the trainer tests' synthetic data and configuration into a folder, for test_cli. */
#include <stdio.h>

#include "tests/train/fixture.h"

int main(int argc, char **argv)
{
	char path[4096];

	if (argc != 2)
		return 2;
	snprintf(path, sizeof(path), "%s/data.safetensors", argv[1]);
	cats_fixture_write(path, 240, 1);
	snprintf(path, sizeof(path), "%s/other.safetensors", argv[1]);
	cats_fixture_write(path, 240, 2);
	snprintf(path, sizeof(path), "%s/config.json", argv[1]);
	cats_fixture_write_config(path, 1);
	snprintf(path, sizeof(path), "%s/series.csv", argv[1]);
	cats_fixture_write_series(path, 600, 1);
	snprintf(path, sizeof(path), "%s/short.csv", argv[1]);
	cats_fixture_write_series(path, 100, 1);
	snprintf(path, sizeof(path), "%s/series.json", argv[1]);
	cats_fixture_write_series_config(path, 1);
	return 0;
}
