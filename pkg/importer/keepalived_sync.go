package importer

// syncDaemon is that of the kernel, which the global block or an instance names.
func (k *keepalived) syncDaemon(instances []*node) {
	ids := map[string]int{}
	for _, n := range instances {
		for _, x := range n.block {
			if x.text == "virtual_router_id" {
				ids[n.arg(0)], _ = k.number(x, 0)
			}
		}
	}
	if n := k.global.get("lvs_sync_daemon"); n != nil && n.arg(0) != "" {
		k.globalSync(n, ids)
		return
	}
	for _, n := range instances {
		for _, x := range n.block {
			if x.text != "lvs_sync_daemon_interface" {
				continue
			}
			t := k.table(x.pos, "sync")
			t.set(x.at(0), "interface", x.arg(0))
			t.set(x.pos, "id", ids[n.arg(0)])
			return
		}
	}
}

func (k *keepalived) globalSync(n *node, ids map[string]int) {
	t := k.table(n.pos, "sync")
	t.set(n.at(0), "interface", n.arg(0))
	mode, id := "both", 0
	for i := 1; i < len(n.args); i++ {
		word := n.arg(i)
		switch word {
		case "inst":
			i++
			mode, id = "follow", ids[n.arg(i)]
		case "id":
			i++
			id, _ = k.number(n, i)
		case "maxlen", "port", "ttl":
			i++
			if x, ok := k.number(n, i); ok {
				t.set(n.at(i), word, x)
			}
		case "group":
			i++
			t.set(n.at(i), "group", n.arg(i))
		default:
			if _, ok := ids[word]; !ok {
				k.fail(n.at(i), "inst, id, maxlen, port, ttl or group", "lvs_sync_daemon %s", word)
				return
			}
			mode, id = "follow", ids[word]
		}
	}
	t.set(n.pos, "id", id)
	if mode != "follow" {
		t.set(n.pos, "mode", mode)
	}
	if mode == "follow" && len(ids) > 1 {
		k.tell(n.pos, t, "inst: the daemon follows all instances, not one")
	}
}
