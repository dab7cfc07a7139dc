package status

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// VRRP is one instance of VIPs that several directors share.
type VRRP struct {
	Name      string `json:"name"`
	Interface string `json:"interface"`
	ID        uint8  `json:"id"`       // 0 with a role from elsewhere
	External  bool   `json:"external"` // the role comes from elsewhere
	Election
	VIPs []VIP `json:"vips"`
}

// Election is what only a running daemon knows of an instance.
type Election struct {
	Role         lvs.Role          `json:"role"`
	State        string            `json:"state"` // of the protocol
	Since        time.Time         `json:"since"` // of the state
	Priority     uint8             `json:"priority"`
	Fault        string            `json:"fault"`         // why, in the state fault
	Peer         netip.Addr        `json:"peer"`          // the director that was heard last; "" if none was
	PeerPriority uint8             `json:"peer_priority"` // 0: it gave up
	Heard        time.Time         `json:"heard"`         // when
	Sent         uint64            `json:"sent"`          // adverts
	Received     uint64            `json:"received"`      // adverts that were believed
	Refused      map[string]uint64 `json:"refused"`       // and others, by reason
	Claims       uint64            `json:"claims"`        // ARP and ND packets of other hosts that say a VIP is theirs, while active
	ClaimedBy    string            `json:"claimed_by"`    // the hardware address of one that does so now; "" if none does
	Late         float64           `json:"late_seconds"`  // longest delay of a timer of ours
	Transitions  uint64            `json:"transitions"`   // changes of the state
}

// SetElections adds what the daemon knows.
func (s *Status) SetElections(known map[string]Election) {
	for i := range s.VRRP {
		if e, ok := known[s.VRRP[i].Name]; ok {
			s.VRRP[i].Election = e
		}
	}
}

func instances(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) []VRRP {
	list := []VRRP{}
	for _, v := range c.VRRP {
		list = append(list, VRRP{
			Name:      v.Name,
			Interface: v.Interface,
			ID:        v.ID,
			External:  v.External,
			Election:  Election{State: "unknown", Priority: v.Priority, Refused: map[string]uint64{}},
			VIPs:      presence(v.VIPs, addresses),
		})
	}
	return list
}

func presence(list []lvs.Address, addresses map[lvs.AddressKey]lvs.Address) []VIP {
	vips := []VIP{}
	for _, a := range list {
		_, present := addresses[a.AddressKey]
		vips = append(vips, VIP{Address: a.Prefix, Interface: a.Interface, Present: present})
	}
	return vips
}
