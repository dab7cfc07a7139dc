/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The headers of packets, as far as the guard looks at them. The kernel's own
 * (linux/ip.h, …) have bit fields, whose order follows the byte order of the
 * machine that compiles and not that of the BPF target.
 */
#ifndef GUARD_PACKET_H
#define GUARD_PACKET_H

#define ETH_IPV4	0x0800
#define ETH_IPV6	0x86dd
#define ETH_VLAN	0x8100	/* IEEE 802.1Q */
#define ETH_QINQ	0x88a8	/* IEEE 802.1ad */

#define PROTO_ICMP	1
#define PROTO_TCP	6
#define PROTO_UDP	17
#define PROTO_ICMPV6	58
#define PROTO_SCTP	132

/* IPv6 extension headers (RFC 8200, 4.1; IANA) */
#define EXT_HOPBYHOP	0
#define EXT_ROUTING	43
#define EXT_FRAGMENT	44
#define EXT_AUTH	51	/* RFC 4302 */
#define EXT_DESTINATION	60
#define EXT_MOBILITY	135	/* RFC 6275 */
#define EXT_HIP		139	/* RFC 7401 */
#define EXT_SHIM6	140	/* RFC 5533 */

struct ethernet {
	__u8 target[6];
	__u8 source[6];
	__be16 type;
};

struct vlan {
	__be16 tag;
	__be16 type;
};

/* An address of either family; IPv4 has the first word. In network order. */
struct address {
	__u32 word[4];
};

struct ipv4 {
	__u8 version_length;	/* length in words of 4 bytes */
	__u8 tos;
	__be16 total;
	__be16 id;
	__be16 fragment;	/* flags, offset in units of 8 bytes */
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 target;
};

#define IPV4_MORE	0x2000
#define IPV4_OFFSET	0x1fff

struct ipv6 {
	__be32 version_class_flow;
	__be16 payload;
	__u8 next;
	__u8 hops;
	struct address source;
	struct address target;
};

struct extension {
	__u8 next;
	__u8 length;		/* beyond the first, in units of 8 bytes; authentication: of 4, less 2 */
	__u8 type;		/* of a routing header */
	__u8 left;
};

struct ipv6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 fragment;	/* offset in units of 8 bytes << 3, flags */
	__be32 id;
};

#define IPV6_MORE	0x0001
#define IPV6_OFFSET	0xfff8

struct ports {			/* the beginning of TCP, UDP and SCTP */
	__be16 source;
	__be16 target;
};

struct tcp {
	struct ports ports;
	__be32 sequence;
	__be32 acknowledged;
	__u8 length;		/* in words of 4 bytes << 4 */
	__u8 flags;
	__be16 window;
	__be16 checksum;
	__be16 urgent;
};

#define TCP_FIN		0x01
#define TCP_SYN		0x02
#define TCP_RST		0x04
#define TCP_ACK		0x10
#define TCP_FLAGS	0x3f	/* without those of ECN */

struct udp {
	struct ports ports;
	__be16 length;
	__be16 checksum;
};

struct sctp {
	struct ports ports;
	__be32 tag;
	__be32 checksum;
};

struct icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest;
};

#endif
