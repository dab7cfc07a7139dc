// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The guard: an XDP program in front of IPVS. It decides over packets to VIPs
 * and passes everything else after one lookup.
 *
 * It fails open. Whatever it does not find in a map or does not understand
 * passes; it drops only what a rule names. The rules, in this order:
 *
 *   1. a source on the allow list passes
 *   2. a source on the block list is dropped
 *   3. what can never be valid is dropped: sources, lengths, flags, port 0
 *   4. so is what goes to a port that no service declares
 *   5. and what exceeds a limit, of its source or of all together
 *
 * pkg/xdp/xdptest says the same in Go; a test holds the two against each other.
 * Nothing here is newer than Linux 5.10.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "guard.h"
#include "parse.h"
#include "limit.h"

/* Set before loading, by tests alone: time is what settings.clock says. */
const volatile bool manual_clock = false;

/* A packet with what it is judged by. */
struct judge {
	struct packet packet;
	struct facts *facts;	/* the packet's */
	struct vip *vip;
};

static __always_inline __u64 now_of(const struct settings *s)
{
	return manual_clock ? s->clock : bpf_ktime_get_ns();
}

/* Tells whether a source can not be one: "this" network, loopback, multicast, broadcast (RFC 6890). */
static __always_inline bool bad_source4(__u32 a)
{
	return a >> 24 == 0 || a >> 24 == 127 || a >> 28 == 14 || a == 0xffffffff;
}

/* None, loopback, multicast, and IPv4 addresses, which no packet has (RFC 4291, 2.5). */
static __always_inline bool bad_source6(const struct address *a)
{
	if ((bpf_ntohl(a->word[0]) >> 24) == 0xff)
		return true;
	if (a->word[0] || a->word[1])
		return false;
	if (a->word[2] == bpf_htonl(0xffff))
		return true;
	return a->word[2] == 0 && bpf_ntohl(a->word[3]) <= 1;
}

/* What the table says of a network of 24 bits. */
static __always_inline enum net_state net_state(__u32 net)
{
	__u32 page = net / NETS, at = net % NETS;
	struct nets *nets = bpf_map_lookup_elem(&nets4, &page);

	return nets ? nets->state[at / 4] >> at % 4 * 2 & 3 : NET_EMPTY;
}

/* Says what a source is, in a network that is more than one thing. */
static __always_inline enum reason judge_host(__be32 source)
{
	__u32 host = bpf_ntohl(source), part = host >> 5;
	struct hosts *hosts = bpf_map_lookup_elem(&hosts4, &part);

	if (hosts && hosts->allow >> (host & 31) & 1)
		return ALLOWED;
	if (hosts && hosts->block >> (host & 31) & 1)
		return BLOCKED;
	return bpf_map_lookup_elem(&vips4, &source) ? BAD_SOURCE : PASSED;
}

static __always_inline enum reason judge_source4(__be32 source)
{
	__u32 host = bpf_ntohl(source);
	enum reason reason;

	switch (net_state(host >> 8)) {
	case NET_ALLOWED:
		return ALLOWED;
	case NET_BLOCKED:
		return BLOCKED;
	case NET_MIXED:
		reason = judge_host(source);
		if (reason != PASSED)
			return reason;
		break;
	case NET_EMPTY:
		break;
	}
	return bad_source4(host) ? BAD_SOURCE : PASSED;
}

static __always_inline enum reason judge_source6(const struct address *address)
{
	struct prefix6 source = { .bits = 128, .address = *address };

	if (bpf_map_lookup_elem(&allow6, &source))
		return ALLOWED;
	if (bpf_map_lookup_elem(&block6, &source))
		return BLOCKED;
	if (bad_source6(address) || bpf_map_lookup_elem(&vips6, &source.address))
		return BAD_SOURCE;
	return PASSED;
}

/* Says what the source is, whatever it sends: on a list, or one that can not be. */
static __always_inline enum reason judge_source(const struct facts *f)
{
	return f->is6 ? judge_source6(&f->source) : judge_source4(f->source.word[0]);
}

static __always_inline struct port *find_exactly(const struct vip *vip, __u8 protocol, __be16 port)
{
	struct port_key key = { .vip = vip->id, .port = port, .protocol = protocol };

	return bpf_map_lookup_elem(&ports, &key);
}

/* Finds the service of a port: the port's own, else that of all ports, else that of all protocols. */
static __always_inline struct port *find_port(const struct vip *vip, __u8 protocol, __be16 port)
{
	struct port *found = NULL;

	if (port)
		found = find_exactly(vip, protocol, port);
	if (found || !(vip->flags & VIP_WILDCARDS))
		return found;
	found = find_exactly(vip, protocol, 0);
	if (found)
		return found;
	return find_exactly(vip, 0, 0);
}

/* A header that is not whole: in a first fragment somebody cut it (RFC 1858). */
static __always_inline enum reason cut(const struct facts *f)
{
	return f->fragment ? BAD_FRAGMENT : BAD_HEADER;
}

/* Tells whether a header of the transport is whole, in the frame and in what IP says. */
static __always_inline bool whole(const struct packet *p, __u32 bytes)
{
	return has(p, bytes) && p->facts->length >= bytes;
}

static __always_inline enum reason judge_tcp(struct packet *p)
{
	struct facts *f = p->facts;
	struct tcp *tcp = p->at;
	__u32 header;

	if (!whole(p, sizeof(*tcp)))
		return cut(f);
	header = (tcp->length >> 4) * 4;
	if (header < sizeof(*tcp))
		return BAD_HEADER;
	if (header > f->length)
		return cut(f);
	if ((tcp->flags & TCP_FLAGS) == 0)
		return BAD_FLAGS;
	if (tcp->flags & TCP_SYN && tcp->flags & (TCP_FIN | TCP_RST))
		return BAD_FLAGS;
	if (tcp->ports.source == 0)
		return BAD_PORT;
	f->source_port = tcp->ports.source;
	f->target_port = tcp->ports.target;
	f->syn = (tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	f->answer = (tcp->flags & (TCP_ACK | TCP_RST)) != 0;
	f->sequence = tcp->sequence;
	return PASSED;
}

/* A source port of 0 means that no answer is expected (RFC 768); a length of 0 is a jumbogram's (RFC 2675). */
static __always_inline enum reason judge_udp(struct packet *p)
{
	struct facts *f = p->facts;
	struct udp *udp = p->at;
	__u32 length;

	if (!whole(p, sizeof(*udp)))
		return cut(f);
	length = bpf_ntohs(udp->length);
	if (length < sizeof(*udp) && (length || !f->is6))
		return BAD_HEADER;
	if (length > f->length && !f->fragment)
		return BAD_HEADER;
	f->source_port = udp->ports.source;
	f->target_port = udp->ports.target;
	f->answer = 1;
	return PASSED;
}

static __always_inline enum reason judge_sctp(struct packet *p)
{
	struct facts *f = p->facts;
	struct sctp *sctp = p->at;

	if (!whole(p, sizeof(*sctp)))
		return cut(f);
	if (sctp->ports.source == 0)
		return BAD_PORT;
	f->source_port = sctp->ports.source;
	f->target_port = sctp->ports.target;
	f->answer = 1;
	return PASSED;
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == PROTO_SCTP;
}

/* Tells whether a packet of the VIP's, which an ICMP error is about, came from a port of it that is open. */
static __always_inline enum reason judge_sender(const struct judge *j, void *at, __u8 protocol)
{
	struct ports *ports = at;

	if (!has_ports(protocol) || j->vip->flags & VIP_SHARED)
		return PASSED;
	if (at + sizeof(*ports) > j->packet.end)
		return BAD_HEADER;
	if (!find_port(j->vip, protocol, ports->source))
		return STRAY_ERROR;
	return PASSED;
}

/* Judges an ICMP error by the packet in it (RFC 792): that must be one that the VIP sent. */
static __always_inline enum reason judge_error4(const struct judge *j, void *at)
{
	struct ipv4 *ip = at;
	__u32 header;

	if (at + sizeof(*ip) > j->packet.end)
		return BAD_HEADER;
	if (ip->source != j->facts->target.word[0])
		return STRAY_ERROR;
	header = (ip->version_length & 0x0f) * 4;
	if (header < sizeof(*ip))
		return BAD_HEADER;
	if (ip->fragment & bpf_htons(IPV4_OFFSET))
		return PASSED;
	return judge_sender(j, at + header, ip->protocol);
}

static __always_inline enum reason judge_icmp4(struct judge *j)
{
	struct icmp *icmp = j->packet.at;

	if (!whole(&j->packet, sizeof(*icmp)))
		return cut(j->facts);
	switch (icmp->type) {
	case 3:			/* destination unreachable */
	case 4:			/* source quench */
	case 5:			/* redirect */
	case 11:		/* time exceeded */
	case 12:		/* parameter problem */
		return judge_error4(j, j->packet.at + sizeof(*icmp));
	}
	return PASSED;
}

static __always_inline bool same(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] &&
	       a->word[2] == b->word[2] && a->word[3] == b->word[3];
}

/* As judge_error4 (RFC 4443, 3). Extensions inside are not looked through. */
static __always_inline enum reason judge_error6(const struct judge *j, void *at)
{
	struct ipv6 *ip = at;

	if (at + sizeof(*ip) > j->packet.end)
		return BAD_HEADER;
	if (!same(&ip->source, &j->facts->target))
		return STRAY_ERROR;
	return judge_sender(j, at + sizeof(*ip), ip->next);
}

/*
 * Neighbour discovery counts only if no router has touched it (RFC 4861, 6.1
 * and 7.1). From the link it is never limited: without it nobody finds the VIP.
 */
static __always_inline enum reason judge_icmp6(struct judge *j)
{
	struct icmp *icmp = j->packet.at;

	if (!whole(&j->packet, sizeof(*icmp)))
		return cut(j->facts);
	if (icmp->type >= 133 && icmp->type <= 137)
		return j->facts->hops == 255 ? NEIGHBOUR : BAD_HEADER;
	if (icmp->type >= 1 && icmp->type <= 4)
		return judge_error6(j, j->packet.at + sizeof(*icmp));
	return PASSED;
}

/* The packet belongs to this service, if to any: its limits are that one's. */
static __always_inline bool belongs(struct facts *f, const struct port *port)
{
	if (!port)
		return false;
	f->service = 1;
	f->scope = port->scope;
	return true;
}

/* Finds the port's service. Without one, only what may answer the host itself passes. */
static __always_inline enum reason judge_port(struct judge *j)
{
	struct facts *f = j->facts;

	if (f->target_port == 0)
		return BAD_PORT;
	if (belongs(f, find_port(j->vip, f->protocol, f->target_port)))
		return PASSED;
	if (j->vip->flags & VIP_SHARED && f->answer && bpf_ntohs(f->target_port) >= 1024)
		return PASSED;
	return UNDECLARED;
}

/* Of a later fragment there is only its place to look at. */
static __always_inline enum reason judge_later(const struct facts *f)
{
	if (f->offset + f->length > 0xffff)
		return BAD_FRAGMENT;	/* more than a packet can have */
	if (f->protocol == PROTO_TCP && f->offset == 8)
		return BAD_FRAGMENT;	/* over the first one's flags (RFC 3128) */
	return PASSED;
}

/* What has no ports, or none that we know, passes within limits. */
static __always_inline enum reason judge_other(struct judge *j)
{
	belongs(j->facts, find_port(j->vip, j->facts->protocol, 0));
	return PASSED;
}

static __always_inline enum reason judge_transport(struct judge *j)
{
	enum reason reason;

	if (j->facts->later)
		return judge_later(j->facts);
	switch (j->facts->protocol) {
	case PROTO_TCP:
		reason = judge_tcp(&j->packet);
		break;
	case PROTO_UDP:
		reason = judge_udp(&j->packet);
		break;
	case PROTO_SCTP:
		reason = judge_sctp(&j->packet);
		break;
	case PROTO_ICMP:
		return j->facts->is6 ? judge_other(j) : judge_icmp4(j);
	case PROTO_ICMPV6:
		return j->facts->is6 ? judge_icmp6(j) : judge_other(j);
	default:
		return judge_other(j);
	}
	if (reason != PASSED)
		return reason;
	return judge_port(j);
}

/* Begins to look at a packet to a VIP. */
static __always_inline void take_in_hand(struct judge *j)
{
	struct facts *f = j->facts;

	__builtin_memset(f, 0, sizeof(*f));
	f->vip = j->vip->id;
	f->scope = j->vip->scope;
}

/* Finds the VIP and reads the header of an IPv4 packet. */
static __always_inline enum reason judge_ipv4(struct judge *j)
{
	struct packet *p = &j->packet;
	struct ipv4 *ip = p->at;

	if (!has(p, sizeof(*ip)))
		return NOT_VIP;
	j->vip = bpf_map_lookup_elem(&vips4, &ip->target);
	if (!j->vip)
		return NOT_VIP;
	take_in_hand(j);
	j->facts->target.word[0] = ip->target;
	j->facts->source.word[0] = ip->source;
	return parse_ipv4(p, ip) ? PASSED : BAD_HEADER;
}

static __always_inline enum reason judge_ipv6(struct judge *j)
{
	struct packet *p = &j->packet;
	struct ipv6 *ip = p->at;

	if (!has(p, sizeof(*ip)))
		return NOT_VIP;
	j->vip = bpf_map_lookup_elem(&vips6, &ip->target);
	if (!j->vip)
		return NOT_VIP;
	take_in_hand(j);
	j->facts->is6 = 1;
	j->facts->target = ip->target;
	j->facts->source = ip->source;
	return parse_ipv6(p, ip) ? PASSED : BAD_HEADER;
}

/* Judges a frame that may be anything by all that it says itself: NOT_VIP if it is not to a VIP. */
static __always_inline enum reason judge(struct xdp_md *ctx, struct facts *f)
{
	void *data = (void *)(long)ctx->data;
	struct judge j = {
		.packet = { .at = data, .end = (void *)(long)ctx->data_end, .facts = f },
		.facts = f,
	};
	__be16 type = parse_ethernet(&j.packet);
	enum reason reason, standing;

	if (type == bpf_htons(ETH_IPV4))
		reason = judge_ipv4(&j);
	else if (type == bpf_htons(ETH_IPV6))
		reason = judge_ipv6(&j);
	else
		return NOT_VIP;
	if (!j.vip)
		return NOT_VIP;
	f->bytes = ctx->data_end - ctx->data;
	standing = judge_source(f);
	if (standing != PASSED)
		return standing;
	if (reason != PASSED)
		return reason;
	return judge_transport(&j);
}

static __always_inline struct client_key client_key(const struct facts *f)
{
	struct client_key key = { .scope = f->scope, .source = f->source };

	if (f->is6)
		key.source.word[2] = key.source.word[3] = 0;
	return key;
}

static __always_inline struct client *find_client(const struct facts *f)
{
	struct client_key key = client_key(f);

	return bpf_map_lookup_elem(&clients, &key);
}

static __always_inline struct client *make_client(const struct facts *f)
{
	struct client_key key = client_key(f);
	struct client fresh = {};

	bpf_map_update_elem(&clients, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&clients, &key);
}

/* Says which bucket has no token for the packet. A source that is not known has all of its own. */
static __always_inline enum reason exceeded(const struct facts *f, const struct limits *l, const struct buckets *b,
					    const struct client *c, __u64 now)
{
	if (c && f->syn && !admits(&l->source_syns, c->syns_due, now))
		return LIMIT_SOURCE_SYNS;
	if (c && !admits(&l->source_packets, c->packets_due, now))
		return LIMIT_SOURCE_PACKETS;
	if (f->syn && !admits(&l->syns, b->syns_due, now))
		return LIMIT_SYNS;
	if (!admits(&l->packets, b->packets_due, now))
		return LIMIT_PACKETS;
	if (f->fragment && !admits(&l->fragments, b->fragments_due, now))
		return LIMIT_FRAGMENTS;
	return PASSED;
}

/* Tells whether there is a limit for packets of this kind. Else nobody needs to know the time, which costs more than a rule. */
static __always_inline bool limited(const struct facts *f, const struct limits *l)
{
	return l->source_packets.cost || l->packets.cost || (f->syn && (l->source_syns.cost || l->syns.cost)) ||
	       (f->fragment && l->fragments.cost);
}

/*
 * Judges a packet by the limits of its scope. It takes from all buckets or from
 * none: what is dropped by one limit uses up no other. A source gets its place
 * in the table only when all together still have tokens, so that a flood of
 * forged sources does not empty the table.
 */
static __always_inline enum reason judge_limits(const struct facts *f, const struct settings *s, struct client **client,
						bool dry)
{
	__u32 place = PLACE(f->scope);
	struct limits *l = bpf_map_lookup_elem(&scopes, &place);
	struct buckets *b = bpf_map_lookup_elem(&meters, &place);
	enum reason reason;
	__u64 now;

	if (!l || !b || !limited(f, l))
		return PASSED;
	now = now_of(s);
	reason = exceeded(f, l, b, *client, now);
	if (reason != PASSED || dry)
		return reason;
	if (!*client)
		*client = make_client(f);
	if (*client) {
		if (f->syn)
			charge_source(&l->source_syns, &(*client)->syns_due, now);
		charge_source(&l->source_packets, &(*client)->packets_due, now);
	}
	if (f->syn)
		charge(&l->syns, &b->syns_due, now);
	charge(&l->packets, &b->packets_due, now);
	if (f->fragment)
		charge(&l->fragments, &b->fragments_due, now);
	return PASSED;
}

/* Mixes the bits of a number (the finalizer of MurmurHash3, by Austin Appleby, public domain). */
static __always_inline __u64 mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

/*
 * Counts a SYN to a service, and whether it is one that was there before: the
 * sender had no answer. A table of fingerprints with one place for each forgets
 * under load, as an LRU map does, but costs a load and a store.
 */
static __always_inline void count_syn(const struct facts *f)
{
	__u32 place = PLACE(f->scope);
	struct buckets *b = bpf_map_lookup_elem(&meters, &place);
	__u64 print, *slot;

	/* Products of their own, which a processor computes at once. */
	print = ((__u64)f->source.word[0] << 32 | f->source.word[1]) * 0x9e3779b97f4a7c15ULL;
	print += ((__u64)f->source.word[2] << 32 | f->source.word[3]) * 0xc2b2ae3d27d4eb4fULL;
	print += ((__u64)f->vip << 32 | (__u32)f->source_port << 16 | f->target_port) * 0x165667b19e3779f9ULL;
	print = mix(print + f->sequence * 0x85ebca77c2b2ae63ULL);
	place = print & (SYN_SLOTS - 1);
	slot = bpf_map_lookup_elem(&syns, &place);
	if (!slot || !b)
		return;
	if (*slot == print) {
		__sync_fetch_and_add(&b->again, 1);
		return;
	}
	*slot = print;
	__sync_fetch_and_add(&b->first, 1);
}

/*
 * Counts for the list of talkers. Not atomically: two processors with the same
 * source may lose a packet. To look for a source is the dearest part of what is
 * dropped, so one packet in 64 is drawn and stands for all, unless limits have
 * found the source already.
 */
static __always_inline void count_client(const struct facts *f, struct client *client, __u32 reason)
{
	__u32 n = 1;

	if (!client && reason >= BLOCKED) {
		if (bpf_get_prandom_u32() % DRAWN)
			return;
		n = DRAWN;
	}
	if (!client)
		client = find_client(f);
	if (!client)
		client = make_client(f);
	if (!client)
		return;
	client->packets += n;
	client->bytes += f->bytes * n;
	client->syns += f->syn * n;
	client->dropped += reason >= BLOCKED ? n : 0;
}

static __always_inline void count(const struct facts *f, __u32 reason, bool dropped)
{
	struct tally *t = bpf_map_lookup_elem(&tallies, &f->vip);
	__u64 i = reason;

	/* The index has to be the very register that was compared. */
	asm volatile("" : "+r"(i));
	if (!t || i >= REASONS)
		return;
	if (dropped) {
		t->dropped[i]++;
		t->bytes_dropped += f->bytes;
	} else {
		t->passed[i]++;
		t->bytes_passed += f->bytes;
	}
}

/* Appends the next bytes of a frame to its head, if there are that many. */
#define COPY(BYTES)						\
	do {							\
		if (at + (BYTES) <= end) {			\
			__builtin_memcpy(to, at, BYTES);	\
			at += (BYTES);				\
			to += (BYTES);				\
		}						\
	} while (0)

/* Copies the head of a frame and tells how long it is. */
static __always_inline __u32 copy_head(__u8 *head, __u8 *at, __u8 *end)
{
	__u8 *to = head;

	if (at + HEAD <= end) {
		__builtin_memcpy(head, at, HEAD);
		return HEAD;
	}
	COPY(64);
	COPY(32);
	COPY(16);
	COPY(8);
	COPY(4);
	COPY(2);
	COPY(1);
	return to - head;
}

/* Gives the head of a dropped packet to whoever listens, if it is time for one. */
static __noinline void take_sample(struct xdp_md *ctx, __u32 reason, bool dropped)
{
	__u32 zero = 0;
	struct settings *set = bpf_map_lookup_elem(&config, &zero);
	struct buckets *b = bpf_map_lookup_elem(&meters, &zero);
	struct limit limit = {};
	struct sample *s;
	__u64 now;

	if (!set || !b)
		return;
	now = bpf_ktime_get_ns();
	limit.cost = set->sample_cost;
	if (!admits(&limit, b->samples_due, now))
		return;
	charge(&limit, &b->samples_due, now);
	s = bpf_ringbuf_reserve(&samples, sizeof(*s), 0);
	if (!s)
		return;	/* nobody reads */
	s->time = now;
	s->ifindex = ctx->ingress_ifindex;
	s->length = ctx->data_end - ctx->data;
	s->reason = reason;
	s->dropped = dropped;
	s->head_length = copy_head(s->head, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	bpf_ringbuf_submit(s, 0);
}

/*
 * Judges what is in hand by limits, and counts it. reason is what its source and
 * the packet itself came to. Gives the reason in the end; dry: does only
 * that. It is a global function: the verifier looks at it once, and not for each
 * way that leads here. Such take numbers alone on a kernel without BTF.
 */
__noinline __u32 settle(__u32 reason, __u32 dry)
{
	__u32 zero = 0;
	struct facts *f = bpf_map_lookup_elem(&hand, &zero);
	struct settings *s = bpf_map_lookup_elem(&config, &zero);
	struct client *client = NULL;

	if (!f || !s)
		return reason;
	if (reason == PASSED) {
		client = find_client(f);
		reason = judge_limits(f, s, &client, dry);
	}
	if (dry)
		return reason;
	count(f, reason, reason >= BLOCKED && s->enforce);
	count_client(f, client, reason);
	if (reason == PASSED && f->syn && f->service)
		count_syn(f);
	return reason;
}

/* Gives the reason in the upper byte, what becomes of the packet in the lower one. */
static __always_inline __u32 decide(struct xdp_md *ctx, bool dry)
{
	__u32 zero = 0;
	struct facts *f = bpf_map_lookup_elem(&hand, &zero);
	struct settings *s = bpf_map_lookup_elem(&config, &zero);
	bool dropped;
	__u32 reason;

	if (!f || !s)
		return NOT_VIP << 8 | XDP_PASS;
	reason = judge(ctx, f);
	if (reason == NOT_VIP)
		return NOT_VIP << 8 | XDP_PASS;
	reason = settle(reason, dry);
	dropped = reason >= BLOCKED && s->enforce;
	if (reason >= BLOCKED && !dry && s->sample_cost)
		take_sample(ctx, reason, dropped);
	return reason << 8 | (dropped ? XDP_DROP : XDP_PASS);
}

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	return decide(ctx, false) & 0xff;
}

/* Says in its second byte which rule decides, and changes nothing: for test runs, never attached. */
SEC("xdp")
int explain(struct xdp_md *ctx)
{
	return decide(ctx, true);
}

char _license[] SEC("license") = "GPL";
