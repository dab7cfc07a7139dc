/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the guard and pkg/xdp share: reasons, and the maps with what is in them.
 * LAYOUT in pkg/xdp changes with every change of a map here, so that a new
 * version does not take an old one's maps for its own.
 */
#ifndef GUARD_H
#define GUARD_H

#include "packet.h"

#define MAX_VIPS	1024
#define MAX_PORTS	16384
#define MAX_SCOPES	(MAX_VIPS + MAX_PORTS)
#define MAX_PREFIXES	(1 << 21)	/* of IPv6, on a list */
#define MAX_PARTS	(1 << 20)	/* struct hosts; twice as many while lists change */
#define MAX_CLIENTS	(1 << 17)
#define SYN_SLOTS	(1 << 16)
#define DRAWN		64	/* dropped packets, of which one is counted as its source's */
#define SAMPLE_BYTES	(1 << 18)
#define HEAD		128

/* Why a packet passes or not: lvs.GuardReason. Those from BLOCKED on drop. */
enum reason {
	PASSED,
	ALLOWED,
	NEIGHBOUR,
	BLOCKED,
	BAD_HEADER,
	BAD_FLAGS,
	BAD_SOURCE,
	BAD_PORT,
	BAD_FRAGMENT,
	STRAY_ERROR,
	UNDECLARED,
	LIMIT_SOURCE_SYNS,
	LIMIT_SOURCE_PACKETS,
	LIMIT_SYNS,
	LIMIT_PACKETS,
	LIMIT_FRAGMENTS,
	REASONS,
	NOT_VIP = 255,
};

struct settings {
	__u32 enforce;
	__u32 sample;		/* samples a second, as they were asked for */
	__u64 sample_cost;	/* nanoseconds for a sample; 0: none are taken */
	__u64 clock;		/* the time, if manual_clock is set */
	__u8 allow_digest[32];	/* of the lists, kept by pkg/xdp; zero while one changes */
	__u8 block_digest[32];
};

#define VIP_SHARED	1	/* answers to connections of the host's own arrive here */
#define VIP_WILDCARDS	2	/* has ports that stand for all ports */

/*
 * A scope is what limits and buckets are for: a port, or what a VIP has besides
 * its ports. Its place is where they are; those up to MAX_VIPS are the VIPs', by
 * their numbers. Above it are bits that nobody has had at this place before, so
 * that clients are not taken for those of a port that is gone.
 */
#define PLACE(SCOPE)	((SCOPE) & 0xffff)

struct vip {
	__u32 id;
	__u32 flags;
	__u32 scope;
};

struct port_key {
	__u32 vip;
	__be16 port;		/* 0: every */
	__u8 protocol;		/* 0: every */
	__u8 pad;
};

struct port {
	__u32 scope;
};

/*
 * A token bucket as the time at which it will be full again (the generic cell
 * rate algorithm): each packet adds cost, and passes if that time is no more
 * than depth ahead.
 */
struct limit {
	__u64 cost;		/* nanoseconds for a packet; 0: no limit */
	__u64 depth;		/* nanoseconds: (burst - 1) * cost */
	__u32 per_second;	/* the two, as they were asked for */
	__u32 burst;
};

struct limits {
	struct limit source_syns;
	struct limit source_packets;
	struct limit syns;
	struct limit packets;
	struct limit fragments;
};

/* Of a scope. Padded to a cache line: neighbours in the array are of others. */
struct buckets {
	__u64 syns_due;
	__u64 packets_due;
	__u64 fragments_due;
	__u64 samples_due;	/* of scope 0, which is no VIP's */
	__u64 first;		/* SYNs that passed */
	__u64 again;		/* and those that were there before */
	__u64 pad[2];
};

struct client_key {
	__u32 scope;
	struct address source;	/* IPv6: the first 64 bits */
};

struct client {
	__u64 syns_due;		/* buckets, see struct limit */
	__u64 packets_due;
	__u64 packets;
	__u64 bytes;
	__u64 syns;
	__u64 dropped;
};

/*
 * The IPv4 part of both lists, as a table of all networks of 24 bits: two bits
 * for each. A trie of a million networks is some twenty steps to memory that no
 * cache holds; this is one, and two more for networks that are not one thing as
 * a whole. Of these there is a bit for each host on either list, by networks of
 * 27 bits: so an element of the map is one cache line. The network of a VIP is
 * mixed too, because a VIP is nobody's source.
 */
enum net_state {
	NET_EMPTY,
	NET_ALLOWED,	/* whole: what the block list says does not matter */
	NET_BLOCKED,	/* whole, and no host of it is allowed */
	NET_MIXED,	/* struct hosts has more, if anything does */
};

#define NETS	(1 << 14)	/* of a page */

struct nets {
	__u8 state[NETS / 4];
};

struct hosts {
	__u32 allow;
	__u32 block;
};

struct prefix6 {
	__u32 bits;
	struct address address;
};

struct tally {
	__u64 passed[REASONS];
	__u64 dropped[REASONS];
	__u64 bytes_passed;
	__u64 bytes_dropped;
};

struct sample {
	__u64 time;		/* nanoseconds of CLOCK_MONOTONIC */
	__u32 ifindex;
	__u32 length;
	__u8 reason;
	__u8 dropped;
	__u16 head_length;
	__u32 pad;
	__u8 head[HEAD];
};

/*
 * What is known of the packet in hand. It is in a map because there the verifier
 * does not follow every value that it might have: ways through the program that
 * meet again are one way for it. On the stack the same is more than the million
 * instructions that it looks at.
 */
struct facts {
	__u32 vip;
	__u32 scope;
	__u32 bytes;		/* of the frame */
	__u32 at;		/* IPv6: where behind Ethernet's header the one is that comes next */
	__u32 step;		/* IPv6: how long that is */
	__u32 length;		/* what the IP header says is left from there */
	__u32 protocol;
	__u32 is6;
	__u32 hops;
	__u32 fragment;		/* one of several, first or later */
	__u32 later;		/* and not the first, so without ports */
	__u32 offset;		/* of a fragment, in bytes */
	__u32 syn;		/* TCP with SYN and without ACK */
	__u32 answer;		/* may belong to a connection that the VIP opened */
	__u32 service;		/* the packet is to a port that is declared */
	__u32 sequence;		/* of a SYN */
	__be16 source_port;
	__be16 target_port;
	struct address source;	/* IPv4: in the first word */
	struct address target;
};

#define DEFINE_MAP(NAME, TYPE, KEY, VALUE, ENTRIES, FLAGS)	\
	struct {						\
		__uint(type, TYPE);				\
		__type(key, KEY);				\
		__type(value, VALUE);				\
		__uint(max_entries, ENTRIES);			\
		__uint(map_flags, FLAGS);			\
	} NAME SEC(".maps")

DEFINE_MAP(config, BPF_MAP_TYPE_ARRAY, __u32, struct settings, 1, 0);
DEFINE_MAP(vips4, BPF_MAP_TYPE_HASH, __be32, struct vip, MAX_VIPS, 0);
DEFINE_MAP(vips6, BPF_MAP_TYPE_HASH, struct address, struct vip, MAX_VIPS, 0);
DEFINE_MAP(ports, BPF_MAP_TYPE_HASH, struct port_key, struct port, MAX_PORTS, 0);
DEFINE_MAP(scopes, BPF_MAP_TYPE_ARRAY, __u32, struct limits, MAX_SCOPES, 0);
DEFINE_MAP(meters, BPF_MAP_TYPE_ARRAY, __u32, struct buckets, MAX_SCOPES, 0);
/* A list of its own for each processor: one for all is a lock for all. */
DEFINE_MAP(clients, BPF_MAP_TYPE_LRU_HASH, struct client_key, struct client, MAX_CLIENTS, BPF_F_NO_COMMON_LRU);
DEFINE_MAP(nets4, BPF_MAP_TYPE_ARRAY, __u32, struct nets, (1 << 24) / NETS, 0);
DEFINE_MAP(hosts4, BPF_MAP_TYPE_HASH, __u32, struct hosts, 2 * MAX_PARTS, BPF_F_NO_PREALLOC);
DEFINE_MAP(allow6, BPF_MAP_TYPE_LPM_TRIE, struct prefix6, __u8, MAX_PREFIXES, BPF_F_NO_PREALLOC);
DEFINE_MAP(block6, BPF_MAP_TYPE_LPM_TRIE, struct prefix6, __u8, MAX_PREFIXES, BPF_F_NO_PREALLOC);
DEFINE_MAP(tallies, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct tally, MAX_VIPS, 0);
DEFINE_MAP(hand, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct facts, 1, 0);
DEFINE_MAP(syns, BPF_MAP_TYPE_ARRAY, __u32, __u64, SYN_SLOTS, 0);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SAMPLE_BYTES);
} samples SEC(".maps");

#endif
