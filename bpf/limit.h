/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Token buckets without locks. bpf_spin_lock does not exist in an LRU map, and
 * an atomic exchange is newer than Linux 5.10. What can get lost when two
 * processors meet is told at each function; it is a packet or two, not a limit.
 */
#ifndef GUARD_LIMIT_H
#define GUARD_LIMIT_H

/* Tells whether a bucket has a token. It only reads, so that processors that all drop share the cache line. */
static __always_inline bool admits(const struct limit *l, __u64 due, __u64 now)
{
	return l->cost == 0 || due <= now + l->depth;
}

/*
 * Takes a token. A bucket that is in use is added to atomically; processors that
 * meet at a full one may set it to the same time, and get a token for nothing.
 */
static __always_inline void charge(const struct limit *l, __u64 *due, __u64 now)
{
	if (l->cost == 0)
		return;
	if (*due < now)
		*due = now + l->cost;
	else
		__sync_fetch_and_add(due, l->cost);
}

/*
 * As charge, of a single source's bucket. Its packets mostly come to one
 * processor. Two that meet here take one token for both: in the few nanoseconds
 * between load and store, and only with packets within the limit, which are few.
 */
static __always_inline void charge_source(const struct limit *l, __u64 *due, __u64 now)
{
	if (l->cost == 0)
		return;
	*due = (*due < now ? now : *due) + l->cost;
}

#endif
