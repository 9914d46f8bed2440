/* SPDX-License-Identifier: MIT */
/* Which row kernels this processor runs. Host only. */
#include "core/kernels/host.h"
#include "core/kernels/kernels.h"

#if defined(__x86_64__)

static bool runs_avx512(void)
{
	return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512cd");
}

static bool runs_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

static bool runs_sse2(void)
{
	return true;
}

/* The fastest first. */
static const struct {
	const char *name;
	const struct cats_host_kernels *kernels;
	bool (*runs)(void);
} sets[] = {
	{"avx512", &cats_host_avx512, runs_avx512},
	{"avx2", &cats_host_avx2, runs_avx2},
	{"sse2", &cats_host_sse2, runs_sse2},
};

bool cats_kernels_host(struct cats_kernels *out, const char *name)
{
	*out = cats_kernels_plain;
	__builtin_cpu_init();
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if ((name != NULL && __builtin_strcmp(name, sets[i].name) != 0) || !sets[i].runs())
			continue;
		out->name = sets[i].name;
		out->host = sets[i].kernels;
		return true;
	}
	return name == NULL || __builtin_strcmp(name, "plain") == 0;
}

#else

bool cats_kernels_host(struct cats_kernels *out, const char *name)
{
	*out = cats_kernels_plain;
	return name == NULL || __builtin_strcmp(name, "plain") == 0;
}

#endif
