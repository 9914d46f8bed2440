/* SPDX-License-Identifier: MIT */
/* The floating-point type of the float model. The room is built twice: with float for use, with double
 * (CATS_REAL_IS_DOUBLE) for checking gradients by finite differences; then every public name ends in _f64. */
#ifndef CATS_MODEL_REAL_H
#define CATS_MODEL_REAL_H

#ifdef CATS_REAL_IS_DOUBLE
typedef double cats_real;
#define CATS_REAL_NAME(name) name##_f64
#define cats_gemm cblas_dgemm
#else
typedef float cats_real;
#define CATS_REAL_NAME(name) name
#define cats_gemm cblas_sgemm
#endif

#endif
