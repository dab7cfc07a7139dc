/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Finds its way through a frame. Every function that moves the cursor says
 * whether there was enough; what is read is always behind such a check.
 */
#ifndef GUARD_PARSE_H
#define GUARD_PARSE_H

#include "packet.h"

#define MAX_TAGS	2
#define MAX_EXTENSIONS	8
#define MAX_AT		2044	/* how deep behind Ethernet's header the transport's may be */

struct packet {
	void *start;		/* behind Ethernet's header */
	void *end;
	void *at;		/* the header to look at next */
	struct facts *facts;
};

static __always_inline bool has(const struct packet *p, __u32 bytes)
{
	return p->at + bytes <= p->end;
}

static __always_inline __u32 available(const struct packet *p)
{
	return p->end - p->at;
}

/* Leaves p at what follows Ethernet and tells its type. With more tags it is no IP; 0: the frame is too short. */
static __always_inline __be16 parse_ethernet(struct packet *p)
{
	struct ethernet *eth = p->at;
	struct vlan *vlan;
	__be16 type;

	if (!has(p, sizeof(*eth)))
		return 0;
	type = eth->type;
	p->at += sizeof(*eth);
	p->start = p->at;
	for (int i = 0; i < MAX_TAGS; i++) {
		if (type != bpf_htons(ETH_VLAN) && type != bpf_htons(ETH_QINQ))
			break;
		vlan = p->at;
		if (!has(p, sizeof(*vlan)))
			return 0;
		type = vlan->type;
		p->at += sizeof(*vlan);
	}
	return type;
}

/*
 * Steps over an IPv4 header. False: its lengths can not be. A total of 0 is what
 * the kernel itself puts into a packet of more than 64 kB (BIG TCP).
 */
static __always_inline bool parse_ipv4(struct packet *p, const struct ipv4 *ip)
{
	__u32 header = (ip->version_length & 0x0f) * 4;
	__u32 total = bpf_ntohs(ip->total);
	__u32 fragment = bpf_ntohs(ip->fragment);
	struct facts *f = p->facts;

	if (total == 0)
		total = available(p);
	if (ip->version_length >> 4 != 4 || header < sizeof(*ip))
		return false;
	if (header > total || total > available(p))
		return false;
	f->length = total - header;
	f->protocol = ip->protocol;
	f->offset = (fragment & IPV4_OFFSET) * 8;
	f->later = f->offset != 0;
	f->fragment = (fragment & (IPV4_MORE | IPV4_OFFSET)) != 0;
	p->at += header;
	return true;
}

/* Tells how long an extension header is; 0 if it is none. */
static __always_inline __u32 extension_length(__u8 protocol, __u32 length)
{
	switch (protocol) {
	case EXT_HOPBYHOP:
	case EXT_ROUTING:
	case EXT_DESTINATION:
	case EXT_MOBILITY:
	case EXT_HIP:
	case EXT_SHIM6:
		return (length + 1) * 8;
	case EXT_FRAGMENT:
		return sizeof(struct ipv6_fragment);
	case EXT_AUTH:
		return (length + 2) * 4;
	}
	return 0;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return extension_length(protocol, 0) != 0;
}

/*
 * Steps over the extension header at f->at. False: it is cut, or a routing header
 * of type 0, which RFC 5095 forbids. A fragment that is the first and the last
 * is none (RFC 6946).
 */
static __always_inline bool step(const struct packet *p, struct facts *f)
{
	void *at = p->start + (f->at & MAX_AT);	/* it is no more, and in words: so that the verifier sees it */
	struct extension *e = at;
	struct ipv6_fragment *part = at;
	__u32 length, fragment;

	if (at + sizeof(*part) > p->end)
		return false;
	f->step = extension_length(f->protocol, e->length);
	/* Read back, it is any number to the verifier, and not each of eight in turn. */
	length = *(volatile __u32 *)&f->step;
	if (length > f->length || f->at + length > MAX_AT)
		return false;
	if (f->protocol == EXT_ROUTING && e->type == 0)
		return false;
	if (f->protocol == EXT_FRAGMENT) {
		fragment = bpf_ntohs(part->fragment);
		f->offset = fragment & IPV6_OFFSET;
		f->later = f->offset != 0;
		f->fragment = (fragment & (IPV6_MORE | IPV6_OFFSET)) != 0;
	}
	f->protocol = e->next;
	f->at += length;
	f->length -= length;
	return true;
}

/* Tells whether the header at f->at is the transport's, or what a later fragment has there. */
static __always_inline bool arrived(const struct facts *f)
{
	return f->later || !is_extension(f->protocol);
}

/* Walks over extension headers. False: there is something wrong with one, or more than anybody sends. */
static __always_inline bool walk(const struct packet *p, struct facts *f)
{
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (arrived(f))
			return true;
		if (!step(p, f))
			return false;
	}
	return arrived(f);
}

/*
 * Steps over an IPv6 header and its extensions. False: lengths that can not be.
 * A payload of 0 is a jumbogram or BIG TCP, or there is none.
 */
static __always_inline bool parse_ipv6(struct packet *p, const struct ipv6 *ip)
{
	__u32 payload = bpf_ntohs(ip->payload);
	struct facts *f = p->facts;

	p->at += sizeof(*ip);
	if (payload == 0)
		payload = available(p);
	if (bpf_ntohl(ip->version_class_flow) >> 28 != 6 || payload > available(p))
		return false;
	f->hops = ip->hops;
	f->protocol = ip->next;
	f->length = payload;
	if (arrived(f))
		return true;
	f->at = p->at - p->start;
	if (!walk(p, f))
		return false;
	p->at = p->start + (f->at & MAX_AT);
	return true;
}

#endif
