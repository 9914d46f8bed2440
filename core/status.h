/* SPDX-License-Identifier: MIT */
/* Result codes shared by every room. Freestanding; depends on nothing. */
#ifndef CATS_CORE_STATUS_H
#define CATS_CORE_STATUS_H

/* The compiler rejects a call that ignores the result. */
#define CATS_MUST_CHECK __attribute__((warn_unused_result))

/* 0 (or a count) is success, negative is one of these. */
enum cats_status {
	CATS_OK = 0,
	CATS_ERR_USAGE = -1,       /* an argument is outside what the interface allows */
	CATS_ERR_FORMAT = -2,      /* bytes from outside break a rule of their format */
	CATS_ERR_IO = -3,          /* the operating system refused to read or write */
	CATS_ERR_MEMORY = -4,      /* an allocation failed or a caller's buffer is too small */
	CATS_ERR_MISMATCH = -5,    /* each part is valid, but they do not belong together */
	CATS_ERR_DIVERGED = -6,    /* training left the range of finite numbers */
	CATS_ERR_INTERRUPTED = -7, /* the user asked to stop; what was done is saved */
};

#endif
