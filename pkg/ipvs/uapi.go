package ipvs

// The numbers of include/uapi/linux/ip_vs.h that neither moby/ipvs nor
// netlink/nl exports.

const (
	genlName    = "IPVS"
	genlVersion = 1
)

// Commands (IPVS_CMD_*).
const (
	cmdNewService uint8 = 1
	cmdSetService uint8 = 2
	cmdDelService uint8 = 3
	cmdGetService uint8 = 4
	cmdNewDest    uint8 = 5
	cmdSetDest    uint8 = 6
	cmdDelDest    uint8 = 7
	cmdGetDest    uint8 = 8
	cmdNewDaemon  uint8 = 9
	cmdDelDaemon  uint8 = 10
	cmdGetDaemon  uint8 = 11
	cmdGetInfo    uint8 = 15
)

// Attributes of a command (IPVS_CMD_ATTR_*).
const (
	attrService uint16 = 1
	attrDest    uint16 = 2
	attrDaemon  uint16 = 3
)

// Attributes of a sync daemon (IPVS_DAEMON_ATTR_*).
const (
	daemonState     uint16 = 1
	daemonInterface uint16 = 2
	daemonID        uint16 = 3
	daemonMaxLen    uint16 = 4
	daemonGroup     uint16 = 5
	daemonGroup6    uint16 = 6
	daemonPort      uint16 = 7
	daemonTTL       uint16 = 8
)

// Attributes of a virtual service (IPVS_SVC_ATTR_*).
const (
	svcFamily    uint16 = 1
	svcProtocol  uint16 = 2
	svcAddress   uint16 = 3
	svcPort      uint16 = 4
	svcMark      uint16 = 5
	svcScheduler uint16 = 6
	svcFlags     uint16 = 7
	svcTimeout   uint16 = 8
	svcNetmask   uint16 = 9
	svcStats     uint16 = 10
	svcEngine    uint16 = 11
	svcStats64   uint16 = 12
)

// Attributes of a destination (IPVS_DEST_ATTR_*).
const (
	destAddress     uint16 = 1
	destPort        uint16 = 2
	destForwarding  uint16 = 3
	destWeight      uint16 = 4
	destUpper       uint16 = 5
	destLower       uint16 = 6
	destActive      uint16 = 7
	destInactive    uint16 = 8
	destPersistent  uint16 = 9
	destStats       uint16 = 10
	destFamily      uint16 = 11
	destStats64     uint16 = 12
	destTunnelType  uint16 = 13
	destTunnelPort  uint16 = 14
	destTunnelFlags uint16 = 15
)

// Attributes of statistics (IPVS_STATS_ATTR_*); in the 64-bit set all of them
// are 64 bits wide, in the older one only the bytes.
const (
	statConnections    uint16 = 1
	statPacketsIn      uint16 = 2
	statPacketsOut     uint16 = 3
	statBytesIn        uint16 = 4
	statBytesOut       uint16 = 5
	statConnectionRate uint16 = 6
	statPacketInRate   uint16 = 7
	statPacketOutRate  uint16 = 8
	statByteInRate     uint16 = 9
	statByteOutRate    uint16 = 10
)

// Flags of a virtual service that are not in lvs.Flags (IP_VS_SVC_F_*).
const (
	flagPersistent = 0x01
	flagHashed     = 0x02 // the kernel's own: the service is in its hash table
)

// maxName is the length of a scheduler's or an engine's name without its end
// (IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN).
const maxName = 15
