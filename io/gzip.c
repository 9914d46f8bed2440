/* SPDX-License-Identifier: MIT */
/* Bounded gzip decoding with zlib. Knows nothing of what is inside. See gzip.h. */
#include "io/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* zlib.h, inflateInit2: the largest window, gzip wrapper only */

bool cats_gzip_is(const void *bytes, size_t size)
{
	return size >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

static uInt at_most_uint(size_t size)
{
	return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

/* Inflates until the end, an error, `capacity` bytes, or no more input. Returns zlib's last answer. */
static int inflate_some(uint8_t *out, size_t capacity, size_t *got, z_stream *stream, size_t *input_left)
{
	int answer = Z_OK;

	*got = 0;
	while (answer == Z_OK && *got < capacity) {
		const uInt offered = at_most_uint(*input_left);
		const uInt room = at_most_uint(capacity - *got);
		stream->avail_in = offered;
		stream->next_out = out + *got;
		stream->avail_out = room;
		answer = inflate(stream, Z_NO_FLUSH);
		*input_left -= offered - stream->avail_in;
		*got += room - stream->avail_out;
	}
	return answer;
}

static enum cats_status fail_stream(int answer, const char *name, struct cats_error *error)
{
	if (answer == Z_MEM_ERROR)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory to decompress it", name);
	if (answer == Z_BUF_ERROR)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: gzip: the stream ends too early; it is truncated", name);
	return cats_fail(error, CATS_ERR_FORMAT, "%s: gzip: the stream is damaged; fetch the file again", name);
}

static int start(z_stream *stream, const void *bytes)
{
	*stream = (z_stream){.next_in = (z_const Bytef *)bytes};
	return inflateInit2(stream, GZIP_WINDOW_BITS);
}

enum cats_status cats_gzip_peek(uint8_t *out, size_t want, size_t *got, const void *bytes, size_t size,
				const char *name, struct cats_error *error)
{
	z_stream stream;
	int answer = start(&stream, bytes);

	*got = 0;
	if (answer != Z_OK)
		return fail_stream(answer, name, error);
	answer = inflate_some(out, want, got, &stream, &size);
	(void)inflateEnd(&stream);
	return answer == Z_OK || answer == Z_STREAM_END ? CATS_OK : fail_stream(answer, name, error);
}

enum cats_status cats_gzip_decode(uint8_t *out, size_t expected, const void *bytes, size_t size, const char *name,
				  struct cats_error *error)
{
	z_stream stream;
	size_t got;
	size_t beyond = 0;
	uint8_t extra;
	int answer = start(&stream, bytes);

	if (answer != Z_OK)
		return fail_stream(answer, name, error);
	answer = inflate_some(out, expected, &got, &stream, &size);
	if (answer == Z_OK) /* all bytes are there; the stream's end and its CRC come with the next call */
		answer = inflate_some(&extra, 1, &beyond, &stream, &size);
	(void)inflateEnd(&stream);

	if (beyond > 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: gzip: holds more than the %zu bytes its content declares",
				 name, expected);
	if (answer != Z_STREAM_END)
		return fail_stream(answer, name, error);
	if (got != expected)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: gzip: holds %zu bytes, its content declares %zu; it is truncated", name, got,
				 expected);
	if (size > 0)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: gzip: %zu bytes follow the end of the stream; remove them", name, size);
	return CATS_OK;
}
