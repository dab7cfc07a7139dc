package vrrp

import "fmt"

// Reason is why a packet is not believed.
type Reason uint8

// The reasons. They are counted, so each says one thing.
const (
	Truncated      Reason = iota // shorter than it says
	WrongLength                  // longer than it says
	WrongVersion                 // of a version that is not the instance's
	WrongType                    // no advertisement
	WrongChecksum                // damaged
	WrongTTL                     // forwarded by a router
	WrongVRID                    // of another virtual router
	WrongAuth                    // without the password, or with another
	WrongInterval                // version 2: another interval than ours; version 3: none
	WrongAddresses               // for no address
	WrongSource                  // not from a peer
	WrongTarget                  // not to the group, or not to us
	OwnAddress                   // from an address of ours: reflected or replayed
	reasons        int    = iota
)

var reasonNames = [reasons]string{
	Truncated:      "truncated",
	WrongLength:    "length",
	WrongVersion:   "version",
	WrongType:      "type",
	WrongChecksum:  "checksum",
	WrongTTL:       "ttl",
	WrongVRID:      "vrid",
	WrongAuth:      "authentication",
	WrongInterval:  "interval",
	WrongAddresses: "addresses",
	WrongSource:    "source",
	WrongTarget:    "destination",
	OwnAddress:     "own_address",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Refusal is the error about a packet that is not believed.
type Refusal struct {
	Reason Reason
	Detail string
}

func (r *Refusal) Error() string { return "advert refused: " + r.Reason.String() + ": " + r.Detail }

func refuse(r Reason, format string, args ...any) error {
	return &Refusal{r, fmt.Sprintf(format, args...)}
}
