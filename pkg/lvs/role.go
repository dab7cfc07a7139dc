package lvs

import "fmt"

// Role is the part that a director has in serving a set of VIPs.
type Role uint8

// The roles. An undecided director has just started and leaves the VIPs as it
// finds them.
const (
	Undecided Role = iota
	Standby
	Active
	Faulty
)

// Roles lists the words that ParseRole accepts.
var Roles = []string{"active", "standby", "fault"}

// ParseRole reads one of Roles.
func ParseRole(s string) (Role, error) {
	switch s {
	case "active":
		return Active, nil
	case "standby":
		return Standby, nil
	case "fault":
		return Faulty, nil
	}
	return 0, fmt.Errorf("unknown role %q: expected one of active, standby, fault", s)
}

func (r Role) String() string {
	switch r {
	case Undecided:
		return "undecided"
	case Standby:
		return "standby"
	case Active:
		return "active"
	case Faulty:
		return "fault"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// MarshalText writes the role as String does.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Role) UnmarshalText(text []byte) error {
	if string(text) == Undecided.String() {
		*r = Undecided
		return nil
	}
	role, err := ParseRole(string(text))
	if err != nil {
		return err
	}
	*r = role
	return nil
}
