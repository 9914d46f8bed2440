/* SPDX-License-Identifier: MIT */
/* Texts of refusals. See refusal.h. */
#include "core/refusal.h"

const char *cats_refusal_text(int refusal)
{
#define CATS_REFUSAL_TEXT(name, text) \
	case CATS_REFUSED_##name:     \
		return text;
	switch (refusal) {
		CATS_REFUSALS(CATS_REFUSAL_TEXT)
	default:
		return "not a refusal";
	}
#undef CATS_REFUSAL_TEXT
}

const char *cats_refusal_name(int refusal)
{
#define CATS_REFUSAL_TEXT(name, text) \
	case CATS_REFUSED_##name:     \
		return #name;
	switch (refusal) {
		CATS_REFUSALS(CATS_REFUSAL_TEXT)
	default:
		return "";
	}
#undef CATS_REFUSAL_TEXT
}
