package config

// place is where a key and its value stand in a text, in bytes from its
// beginning. The TOML decoder gives values without positions: places follow
// the same tree.
type place struct {
	key, value int
	inline     bool // a table in braces, complete where it stands
	keys       map[string]*place
	items      []*place // of a list, or of [[tables]]
}

func (p *place) child(name string, offset int) *place {
	if c := p.keys[name]; c != nil {
		return c
	}
	if p.keys == nil {
		p.keys = map[string]*place{}
	}
	c := &place{key: offset, value: offset}
	p.keys[name] = c
	return c
}

// last is where the keys of a table go: for [[tables]] the latest one.
func (p *place) last() *place {
	if len(p.items) > 0 {
		return p.items[len(p.items)-1]
	}
	return p
}

// of gives the place of a key, or the table's own if there is none.
func (p *place) of(name string) *place {
	if c := p.keys[name]; c != nil {
		return c
	}
	return p
}

func (p *place) item(i int) *place {
	if i < len(p.items) {
		return p.items[i]
	}
	return p
}
