/* SPDX-License-Identifier: MIT */
/* Between the protocol and the runtime: a shard's sites as the network sees them, a node's views as the store of
 * packets. Freestanding. */
#ifndef CATS_NET_NODE_H
#define CATS_NET_NODE_H

#include "core/runtime.h"
#include "net/protocol.h"

/* Site `number` of a shard, whose times are 0 when it has none (cats_shard_is_timed). False when there is no such site.
 * Every device's shard of a plan gives the same. */
bool cats_net_site_of_shard(struct cats_net_site *out, const struct cats_shard *shard, uint16_t number);

/* The store that `node` is; it outlives the protocol's struct. */
struct cats_net_store cats_net_store_of_node(struct cats_node *node);

#endif
