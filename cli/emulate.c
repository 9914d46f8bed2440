/* SPDX-License-Identifier: MIT */
/* cats emulate: runs cats-emulate, which lies beside this program. It is another program because it links Unicorn,
 * whose licence is not this one's (emulator/m4.h). */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int cats_command_emulate(int argc, char **argv)
{
	static const char name[] = "cats-emulate";
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof name);

	(void)argc;
	while (length > 0 && path[length - 1] != '/')
		length--;
	memcpy(path + (length > 0 ? length : 0), name, sizeof name);
	execv(path, argv);
	fprintf(stderr,
		"cats: emulate: %s: %s: it is built where libunicorn-dev and gcc-arm-none-eabi are "
		"(tools/install-dependencies check)\n",
		path, strerror(errno));
	return 1;
}
