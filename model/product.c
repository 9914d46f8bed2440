/* SPDX-License-Identifier: MIT */
/* Products in tiles of registers where those have AVX-512's size and number, otherwise by OpenBLAS. See product.h.
 *
 * What changed against OpenBLAS: matrices of weights are read where they lie, and so are activations unless sums run
 * along them. Tiles find activations as they want them, so that copying operands first, a tenth of OpenBLAS's time at
 * these sizes, gains nothing. A tile's sums stay in registers; each value of x is loaded once for all its rows, each
 * weight once for all its vectors; what comes next is fetched into the cache meanwhile. On a Zen 4 core a product of
 * 128 columns and 512 sample·tokens reaches 114 of the 117 GFLOP/s of its registers, with operands in the second-level
 * cache, and OpenBLAS 100. Sums are made in an order that follows from the shapes. */
#include "model/product.h"

#include <cblas.h>

#include "model/lanes.h"

#ifdef __AVX512F__

/* A tile has at most so many rows and vectors: 24 sums, 3 vectors of x and a weight share 32 registers. */
#define TILE_ROWS 8U
#define TILE_VECTORS 3U
/* With fewer rows, as of one of sixteen devices, tiles are no faster than OpenBLAS. */
#define TILED_ROWS 32U

struct tile {
	cats_real *y;
	size_t y_stride;
	bool add;
	const cats_real *start;
	const cats_real *a;
	size_t a_row, a_column; /* element (r, k) at a[r * a_row + k * a_column] */
	const cats_real *x;
	size_t x_stride;
	size_t depth; /* of the sums */
	size_t ahead; /* how far after x what is to be fetched into the cache begins */
};

/* R rows by V vectors, both known when compiling. */
FORCED void tile_of(const struct tile *t, uint32_t R, uint32_t V)
{
	lanes sum[TILE_ROWS][TILE_VECTORS], x[TILE_VECTORS];

	UNROLLED for (uint32_t r = 0; r < R; r++) UNROLLED for (uint32_t v = 0; v < V; v++)
	{
		__builtin_prefetch(t->y + r * t->y_stride + v * LANES, 1);
		sum[r][v] = (lanes){0};
	}
	for (size_t k = 0; k < t->depth; k++) {
		__builtin_prefetch(t->x + k * t->x_stride + t->ahead);
		UNROLLED for (uint32_t v = 0; v < V; v++) load(&x[v], t->x + k * t->x_stride + v * LANES);
		UNROLLED for (uint32_t r = 0; r < R; r++)
		{
			const cats_real weight = t->a[r * t->a_row + k * t->a_column];

			UNROLLED for (uint32_t v = 0; v < V; v++) sum[r][v] += weight * x[v];
		}
	}
	UNROLLED for (uint32_t r = 0; r < R; r++) UNROLLED for (uint32_t v = 0; v < V; v++)
	{
		cats_real *to = t->y + r * t->y_stride + v * LANES;

		if (t->start != NULL)
			sum[r][v] += t->start[r];
		if (t->add) {
			load(&x[v], to);
			sum[r][v] += x[v];
		}
		store(to, &sum[r][v]);
	}
}

#define TILE(R, V)                                       \
	static void tile_##R##_##V(const struct tile *t) \
	{                                                \
		tile_of(t, R, V);                        \
	}

TILE(1, 1)
TILE(2, 1)
TILE(4, 1)
TILE(8, 1)
TILE(1, 2)
TILE(2, 2)
TILE(4, 2)
TILE(8, 2)
TILE(1, 3)
TILE(2, 3)
TILE(4, 3)
TILE(8, 3)

#define HEIGHTS 4

static const uint32_t heights[HEIGHTS] = {1, 2, 4, TILE_ROWS};
static void (*const tiles[TILE_VECTORS][HEIGHTS])(const struct tile *) = {
	{tile_1_1, tile_2_1, tile_4_1, tile_8_1},
	{tile_1_2, tile_2_2, tile_4_2, tile_8_2},
	{tile_1_3, tile_2_3, tile_4_3, tile_8_3},
};

/* Some vectors of all rows: tiles from the first row down, the highest that still fit. The first tiles fetch a vector
 * each of `next`, which lie right of these. */
static void tile_column(struct tile t, uint32_t rows, uint32_t vectors, uint32_t next)
{
	uint32_t height = HEIGHTS - 1;

	for (uint32_t n = 0; rows > 0; n++) {
		t.ahead = (n < next ? vectors + n : 0) * LANES;
		while (heights[height] > rows)
			height--;
		tiles[vectors - 1][height](&t);
		rows -= heights[height];
		t.y += heights[height] * t.y_stride;
		t.a += heights[height] * t.a_row;
		if (t.start != NULL)
			t.start += heights[height];
	}
}

/* The last sample·tokens, fewer than LANES. */
static void narrow(const struct tile *t, uint32_t rows, size_t n)
{
	for (size_t r = 0; r < rows; r++) {
		cats_real sum[LANES] = {0};

		for (size_t k = 0; k < t->depth; k++) {
			const cats_real weight = t->a[r * t->a_row + k * t->a_column];

			for (size_t i = 0; i < n; i++)
				sum[i] += weight * t->x[k * t->x_stride + i];
		}
		for (size_t i = 0; i < n; i++) {
			cats_real *to = &t->y[r * t->y_stride + i];

			*to = (t->add ? *to : 0) + sum[i] + (t->start != NULL ? t->start[r] : 0);
		}
	}
}

static uint32_t at_most(uint32_t count, uint32_t limit)
{
	return count < limit ? count : limit;
}

static uint32_t vectors_in(size_t width)
{
	return (uint32_t)(width / LANES < TILE_VECTORS ? width / LANES : TILE_VECTORS);
}

static void tiled_product(struct cats_submatrix y, bool add, const cats_real *start, struct cats_factor a,
			  struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width)
{
	struct tile t = {
		.y = y.data,
		.y_stride = y.stride,
		.add = add,
		.start = start,
		.a = a.data,
		.a_row = a.turned ? 1 : a.stride,
		.a_column = a.turned ? a.stride : 1,
		.x = x.data,
		.x_stride = x.stride,
		.depth = columns,
	};

	while (width >= LANES) {
		const uint32_t vectors = vectors_in(width);

		tile_column(t, rows, vectors, vectors_in(width - vectors * LANES));
		t.y += vectors * LANES;
		t.x += vectors * LANES;
		width -= vectors * LANES;
	}
	if (width > 0)
		narrow(&t, rows, width);
}

/* ---- activations times activations: some rows of x are transposed at a time, and are then what tiles expect ---- */

/* Lane l of the two rows that a step of a transposition makes of rows a and b, `s` apart; b's lanes count from LANES.
 */
#define OF_FIRST(s, l) ((l) & (s) ? LANES + (l) - (s) : (l))
#define OF_SECOND(s, l) ((l) & (s) ? LANES + (l) : (l) + (s))
#define PICK(of, s, a, b)                                                                                          \
	__builtin_shufflevector(a, b, of(s, 0U), of(s, 1U), of(s, 2U), of(s, 3U), of(s, 4U), of(s, 5U), of(s, 6U), \
				of(s, 7U), of(s, 8U), of(s, 9U), of(s, 10U), of(s, 11U), of(s, 12U), of(s, 13U),   \
				of(s, 14U), of(s, 15U))

/* Sample·tokens at once. A tile's sums go to memory and back once for so many steps; TILE_VECTORS of them are 48 KiB on
 * the stack, a small part of a second-level cache. */
#define DEPTH 256U

/* Swaps the off-diagonal blocks of all blocks of 2 s by 2 s. */
#define SWAP_BLOCKS(rows, s)                                                   \
	UNROLLED for (uint32_t j = 0; j < LANES; j++) if ((j & (s)) == 0)      \
	{                                                                      \
		const lanes first = PICK(OF_FIRST, s, rows[j], rows[j + (s)]); \
                                                                               \
		rows[j + (s)] = PICK(OF_SECOND, s, rows[j], rows[j + (s)]);    \
		rows[j] = first;                                               \
	}

/* to[i, k] = x[k, i] for LANES of both, of which `rows` are there; the others become 0. */
FORCED void transpose_square(cats_real *to, size_t stride, struct cats_submatrix x, uint32_t rows)
{
	lanes row[LANES];

	UNROLLED for (uint32_t k = 0; k < LANES; k++)
	{
		row[k] = (lanes){0};
		if (k < rows)
			load(&row[k], x.data + k * x.stride);
	}
	SWAP_BLOCKS(row, 8U)
	SWAP_BLOCKS(row, 4U)
	SWAP_BLOCKS(row, 2U)
	SWAP_BLOCKS(row, 1U)
	UNROLLED for (uint32_t i = 0; i < LANES; i++) store(to + i * stride, &row[i]);
}

/* to[i, k] = x[k, i] for i < width and k < LANES, 0 from `rows` on. */
static void transpose(cats_real *to, size_t stride, struct cats_submatrix x, uint32_t rows, size_t width)
{
	size_t i = 0;

	for (; i + LANES <= width; i += LANES) {
		const struct cats_submatrix square = {x.data + i, x.stride};

		if (rows >= LANES)
			transpose_square(to + i * stride, stride, square, LANES);
		else
			transpose_square(to + i * stride, stride, square, rows);
	}
	for (; i < width; i++)
		for (uint32_t k = 0; k < LANES; k++)
			to[i * stride + k] = k < rows ? x.data[k * x.stride + i] : 0;
}

/* Some columns of d, no multiple of LANES: by way of a tile's copy. */
static void add_narrow(struct tile t, cats_real *d, uint32_t rows, uint32_t columns, uint32_t stride)
{
	cats_real copy[TILE_ROWS * TILE_VECTORS * LANES];
	const uint32_t vectors = (columns + LANES - 1U) / LANES;

	t.y = copy;
	t.y_stride = (size_t)vectors * LANES;
	t.add = false;
	for (uint32_t first = 0; first < rows; first += TILE_ROWS) {
		const uint32_t count = at_most(rows - first, TILE_ROWS);

		tile_column(t, count, vectors, 0);
		for (uint32_t r = 0; r < count; r++)
			for (uint32_t k = 0; k < columns; k++)
				d[(size_t)(first + r) * stride + k] += copy[r * t.y_stride + k];
		t.a += count * t.a_row;
	}
}

#define BAND (TILE_VECTORS * LANES) /* columns at once */

/* d[rows, count] += a · xᵀ over `depth` sample·tokens, where d's rows are `columns` apart. */
static void outer_part(cats_real *d, struct cats_submatrix a, struct cats_submatrix x, uint32_t rows, uint32_t count,
		       uint32_t columns, size_t depth)
{
	_Alignas(sizeof(lanes)) cats_real turned[DEPTH * BAND];
	const uint32_t vectors = (count + LANES - 1U) / LANES;
	const struct tile t = {
		.y = d,
		.y_stride = columns,
		.add = true,
		.a = a.data,
		.a_row = a.stride,
		.a_column = 1,
		.x = turned,
		.x_stride = (size_t)vectors * LANES,
		.depth = depth,
	};

	for (uint32_t k = 0; k < count; k += LANES)
		transpose(turned + k, t.x_stride, (struct cats_submatrix){x.data + k * x.stride, x.stride}, count - k,
			  depth);
	if (count % LANES == 0)
		tile_column(t, rows, vectors, 0);
	else
		add_narrow(t, d, rows, count, columns);
}

static void tiled_outer(cats_real *d, struct cats_submatrix a, struct cats_submatrix x, uint32_t rows, uint32_t columns,
			size_t width)
{
	for (size_t i = 0; i < width; i += DEPTH)
		for (uint32_t k = 0; k < columns; k += BAND) {
			outer_part(d + k, (struct cats_submatrix){a.data + i, a.stride},
				   (struct cats_submatrix){x.data + k * x.stride + i, x.stride}, rows,
				   at_most(columns - k, BAND), columns, width - i < DEPTH ? width - i : DEPTH);
		}
}

#endif

void cats_product(struct cats_submatrix y, bool add, const cats_real *start, struct cats_factor a,
		  struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width)
{
#ifdef __AVX512F__
	if (rows >= TILED_ROWS) {
		tiled_product(y, add, start, a, x, rows, columns, width);
		return;
	}
#endif
	for (size_t r = 0; (start != NULL || columns == 0) && r < rows; r++)
		for (size_t i = 0; i < width; i++)
			y.data[r * y.stride + i] =
				(add ? y.data[r * y.stride + i] : 0) + (start != NULL ? start[r] : 0);
	if (rows > 0 && columns > 0)
		cats_gemm(CblasRowMajor, a.turned ? CblasTrans : CblasNoTrans, CblasNoTrans, (blasint)rows,
			  (blasint)width, (blasint)columns, 1, a.data, (blasint)a.stride, x.data, (blasint)x.stride,
			  add || start != NULL ? 1 : 0, y.data, (blasint)y.stride);
}

void cats_product_outer(cats_real *d, struct cats_submatrix a, struct cats_submatrix x, uint32_t rows, uint32_t columns,
			size_t width)
{
#ifdef __AVX512F__
	if (rows >= TILED_ROWS) {
		tiled_outer(d, a, x, rows, columns, width);
		return;
	}
#endif
	if (rows > 0 && columns > 0)
		cats_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)columns, (blasint)width, 1,
			  a.data, (blasint)a.stride, x.data, (blasint)x.stride, 1, d, (blasint)columns);
}
